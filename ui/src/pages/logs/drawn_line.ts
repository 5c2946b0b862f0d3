// One line as nodes: its styles, and where the filter matches. Text stays text.
import { type Piece, type Style, PLAIN } from "./ansi";

/** `marks`: from, to, in characters of the whole line. */
export function drawn(all: readonly Piece[], marks: readonly [number, number][]): Node[] {
  const found: Node[] = [];
  let at = 0;
  for (const { text, style } of all) {
    const borders = marks.flat().map((place) => place - at).filter((place) => place > 0 && place < text.length);
    const cuts = [0, ...new Set(borders), text.length];
    cuts.slice(0, -1).forEach((from, index) => {
      const isMarked = marks.some(([first, end]) => at + from >= first && at + from < end);
      found.push(element(text.slice(from, cuts[index + 1]), style, isMarked));
    });
    at += text.length;
  }
  return found.length ? found : [document.createTextNode("\u200b")]; // an empty line has a height
}

function element(text: string, style: Style, isMarked: boolean): Node {
  if (style === PLAIN && !isMarked) return document.createTextNode(text);
  const made = document.createElement(isMarked ? "mark" : "span");
  made.textContent = text;
  for (const name of ["bold", "dim", "italic", "underline", "strike", "inverse"] as const) if (style[name]) made.classList.add(name);
  for (const name of ["color", "background"] as const) {
    const value = style[name];
    if (value === null) continue;
    made.classList.add(name);
    made.style.setProperty(`--${name}`, typeof value === "number" ? `var(--ansi-${value})` : value);
  }
  return made;
}
