import { expect, test } from "vitest";
import { columnsIn, kept } from "./places";

test("what is held keeps its place whatever its state is, and what is new comes behind it", () => {
  expect(kept(["b", "c"], ["a", "c", "b"], 4)).toEqual(["b", "c", "a"]);
  expect(kept(["b", "c"], [], 4)).toEqual(["b", "c"]);
});

test("what is new waits where there is no room for it", () => {
  expect(kept(["a", "b"], ["a", "b", "c"], 2)).toEqual(["a", "b"]);
  expect(kept([], ["a", "b", "c"], 2)).toEqual(["a", "b"]);
  expect(kept(["a", "b", "c"], ["d"], 2)).toEqual(["a", "b", "c"]);
});

test("cards are as many beside each other as the style sheet makes them", () => {
  expect([300, 731, 732, 1103, 1104].map((width) => columnsIn(width, 360, 12))).toEqual([1, 1, 2, 2, 3]);
});
