import { expect, test } from "vitest";
import { compared } from "./diff";

test("words that only one of two texts has are told apart, and nothing is lost", () => {
  const [left, right] = compared("the quick brown hare runs", "the slow brown hare sleeps now")!;
  expect(left.filter(({ isOnlyHere }) => isOnlyHere).map(({ text }) => text)).toEqual(["quick ", "runs"]);
  expect(right.filter(({ isOnlyHere }) => isOnlyHere).map(({ text }) => text)).toEqual(["slow ", "sleeps now"]);
  expect(right.map(({ text }) => text).join("")).toBe("the slow brown hare sleeps now");
});

test("equal texts differ in nothing, and very long ones are not compared", () => {
  expect(compared("same words", "same words")).toEqual([[{ text: "same words", isOnlyHere: false }], [{ text: "same words", isOnlyHere: false }]]);
  expect(compared("", "new")).toEqual([[], [{ text: "new", isOnlyHere: true }]]);
  expect(compared("word ".repeat(801), "word")).toBeNull();
});
