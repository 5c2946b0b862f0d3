import { expect, test } from "vitest";
import { PLAIN, pieces, plain } from "./ansi";

const shown = (line: string): unknown[] => pieces(line).pieces.map(({ text, style }) => [text, ...Object.entries(style).flatMap(([name, value]) => (value === PLAIN[name as keyof typeof PLAIN] ? [] : [`${name} ${value}`]))]);

test("styles and the 16 colours begin and end", () => {
  expect(shown("a\x1b[1;31mb\x1b[22mc\x1b[0md")).toEqual([["a"], ["b", "bold true", "color 1"], ["c", "color 1"], ["d"]]);
  expect(shown("\x1b[3;4;9mx\x1b[23;24;29my")).toEqual([["x", "italic true", "underline true", "strike true"], ["y"]]);
  expect(shown("\x1b[97;42mx\x1b[39;49my")).toEqual([["x", "color 7", "background 2"], ["y"]]);
  expect(shown("\x1b[32mx\x1b[my")).toEqual([["x", "color 2"], ["y"]]);
});

test("256 and true colours, and what follows them", () => {
  expect(shown("\x1b[38;5;196;1mx")).toEqual([["x", "bold true", "color #ff0000"]]);
  expect(shown("\x1b[38;5;11mx")).toEqual([["x", "color 3"]]);
  expect(shown("\x1b[48;5;244mx")).toEqual([["x", "background #808080"]]);
  expect(shown("\x1b[38;2;1;2;300mx")).toEqual([["x", "color #0102ff"]]);
  expect(shown("\x1b[38;9;4mx")).toEqual([["x", "underline true"]]);
});

test("other sequences and control characters are dropped, HTML stays text", () => {
  expect(plain("\x1b[2K\x1b[10;5Hlo\x1b]0;title\x07ad\x1b(B <b>\x07\x00ing</b>")).toBe("load <b>ing</b>");
  expect(plain("cut \x1b[3")).toBe("cut 3");
});

test("a style lasts until it is ended, over lines too", () => {
  const first = pieces("\x1b[31mred");
  expect(pieces("still", first.style).pieces[0]?.style.color).toBe(1);
});
