import { expect, test } from "vitest";
import { drawn } from "./drawn";

const HEIGHTS = [10, 30, 10, 30, 10];

test.each([
  [0, 40, { from: 0, to: 2, above: 0, below: 50 }],
  [-500, 5, { from: 0, to: 1, above: 0, below: 80 }],
  [39, 51, { from: 1, to: 4, above: 10, below: 10 }],
  [80, 900, { from: 4, to: 5, above: 80, below: 0 }],
  [900, 950, { from: 5, to: 5, above: 90, below: 0 }],
])("from %i to %i px", (top, bottom, found) => expect(drawn(HEIGHTS, top, bottom)).toEqual(found));

test("of no rows nothing is drawn", () => expect(drawn([], 0, 100)).toEqual({ from: 0, to: 0, above: 0, below: 0 }));
