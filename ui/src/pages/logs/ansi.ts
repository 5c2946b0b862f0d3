// The colours and styles that programs write into their output (ECMA-48, "SGR"); every other escape sequence is dropped.

export interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  strike: boolean;
  inverse: boolean;
  /** 0 to 7, or "#rrggbb"; null: the page's own. Bright colours are their plain ones: both are readable on the page. */
  color: number | string | null;
  background: number | string | null;
}

export interface Piece {
  text: string;
  style: Style;
}

export const PLAIN: Style = { bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false, color: null, background: null };

// CSI sequences, OSC sequences up to their end, and the short ones.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b(?:\[([\d;:]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
// eslint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;

/** `style`: what earlier lines have left on. Gives what this one leaves on, too. */
export function pieces(line: string, style: Style = PLAIN): { pieces: Piece[]; style: Style } {
  const found: Piece[] = [];
  let from = 0;
  const add = (text: string): void => {
    const shown = text.replace(CONTROL, "");
    if (shown) found.push({ text: shown, style });
  };
  for (const match of line.matchAll(ESCAPE)) {
    add(line.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m") style = applied(style, match[1] ?? "");
  }
  add(line.slice(from));
  return { pieces: found, style };
}

export function plain(line: string): string {
  return line.replace(ESCAPE, "").replace(CONTROL, "");
}

function applied(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map(Number);
  const next = { ...style };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 0) Object.assign(next, PLAIN);
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code === 29) next.strike = false;
    else if (code >= 30 && code <= 37) next.color = code - 30;
    else if (code >= 90 && code <= 97) next.color = code - 90;
    else if (code === 39) next.color = null;
    else if (code >= 40 && code <= 47) next.background = code - 40;
    else if (code >= 100 && code <= 107) next.background = code - 100;
    else if (code === 49) next.background = null;
    else if (code === 38 || code === 48) {
      const [color, used] = extended(codes.slice(at + 1));
      if (color !== null) next[code === 38 ? "color" : "background"] = color;
      at += used;
    }
  }
  return next;
}

/** What follows 38 or 48: `5;n` of the palette, `2;r;g;b`. How many codes that were. */
function extended(codes: readonly number[]): [number | string | null, number] {
  if (codes[0] === 5) return [palette(codes[1] ?? 0), 2];
  if (codes[0] === 2) return [hex(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
  return [null, 1];
}

/** The 256 colours: 16 named ones, a cube of 6 x 6 x 6, 24 greys. */
function palette(index: number): number | string | null {
  if (!(index >= 0 && index < 256)) return null;
  if (index < 16) return index % 8;
  if (index >= 232) return hex(...(Array(3).fill(8 + (index - 232) * 10) as [number, number, number]));
  const level = (step: number): number => (step ? 55 + step * 40 : 0);
  const at = index - 16;
  return hex(level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6));
}

function hex(red: number, green: number, blue: number): string {
  return `#${[red, green, blue].map((part) => Math.min(255, Math.max(0, part || 0)).toString(16).padStart(2, "0")).join("")}`;
}
