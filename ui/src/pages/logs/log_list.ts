// The lines of a log as elements. Lines are added at the end, once per frame, and taken away at the beginning; nothing that
// stands is drawn anew, unless the filter changes.
import { type Piece, type Style, PLAIN, pieces, plain } from "./ansi";
import { type Level, isOwn, levelOf, ranges, split } from "./lines";

export const KEPT = 5000; // lines

interface Line {
  text: string;
  level: Level;
  own: boolean;
  pieces: readonly Piece[];
  element: HTMLElement;
}

export interface Wanted {
  regex: RegExp | null;
  levels: ReadonlySet<Level>;
  /** The page's own requests, too. */
  own: boolean;
}

export interface Counts {
  lines: number;
  shown: number;
  /** Come while it was paused. */
  waiting: number;
}

export class LogList {
  #lines: Line[] = [];
  #waiting: string[] = [];
  #rest = "";
  #style: Style = PLAIN;
  #frame = 0;
  #isPaused = false;
  #shown = 0;
  #wanted: Wanted;
  readonly #box: HTMLElement;
  readonly #changed: (counts: Counts) => void;

  /** `changed` is called after every change of what stands in `box`. */
  constructor(box: HTMLElement, wanted: Wanted, changed: (counts: Counts) => void) {
    this.#box = box;
    this.#wanted = wanted;
    this.#changed = changed;
  }

  add(text: string): void {
    const { lines, rest } = split(this.#rest + text);
    this.#rest = rest;
    this.#waiting.push(...lines.slice(-KEPT));
    if (this.#waiting.length > 2 * KEPT) this.#waiting = this.#waiting.slice(-KEPT);
    if (this.#isPaused) this.#tell();
    else this.#soon();
  }

  /** From here on. */
  clear(): void {
    this.#lines = [];
    this.#waiting = [];
    this.#rest = "";
    this.#style = PLAIN;
    this.#shown = 0;
    this.#box.replaceChildren();
    this.#tell();
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!isPaused) this.#soon();
  }

  want(wanted: Wanted): void {
    this.#wanted = wanted;
    this.#shown = 0;
    for (const line of this.#lines) this.#fill(line);
    this.#tell();
  }

  /** What is shown, as text. */
  get text(): string {
    return this.#lines.filter(({ element }) => !element.hidden).map(({ text }) => `${text}\n`).join("");
  }

  /** Draws what waits, now. */
  flush(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const added = document.createDocumentFragment();
    for (const text of this.#waiting.slice(-KEPT)) added.append(this.#line(text).element);
    this.#waiting = [];
    this.#box.append(added);
    const over = this.#lines.length - KEPT;
    for (const { element } of this.#lines.splice(0, Math.max(0, over))) {
      if (!element.hidden) this.#shown -= 1;
      element.remove();
    }
    this.#tell();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
  }

  #soon(): void {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.flush());
  }

  #line(raw: string): Line {
    const { pieces: found, style } = pieces(raw, this.#style);
    this.#style = style;
    const text = plain(raw);
    const line: Line = { text, level: levelOf(text, this.#lines.at(-1)?.level), own: isOwn(text), pieces: found, element: document.createElement("div") };
    line.element.className = line.level;
    this.#lines.push(line);
    this.#fill(line);
    return line;
  }

  /** Whether it is shown, and where it matches. */
  #fill(line: Line): void {
    const { regex, levels, own } = this.#wanted;
    let isShown = levels.has(line.level) && (own || !line.own);
    let marks: [number, number][] = [];
    if (isShown && regex) {
      regex.lastIndex = 0;
      isShown = regex.test(line.text);
      regex.lastIndex = 0;
      if (isShown) marks = ranges(line.text, regex);
    }
    line.element.hidden = !isShown;
    if (!isShown) return;
    this.#shown += 1;
    line.element.replaceChildren(...drawn(line.pieces, marks));
  }

  #tell(): void {
    this.#changed({ lines: this.#lines.length, shown: this.#shown, waiting: this.#isPaused ? this.#waiting.length : 0 });
  }
}

function drawn(all: readonly Piece[], marks: readonly [number, number][]): Node[] {
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
