import { expect, test } from "vitest";
import { bars, place } from "./histogram";

const some = { bins: [1, 0, 4], min: 10, max: 40, binSize: 10, p50: 25, p95: 38, p99: 40 };
const same = { bins: [7], min: 12, max: 12, binSize: 0, p50: 12, p95: 12, p99: 12 };

test("bars know their borders and are as high as their share of the highest", () => {
  expect(bars(some)).toEqual([
    { from: 10, to: 20, count: 1, height: 0.25 },
    { from: 20, to: 30, count: 0, height: 0 },
    { from: 30, to: 40, count: 4, height: 1 },
  ]);
});

test("equal values make one bar, and nothing is divided by zero", () => {
  expect(bars(same)).toEqual([{ from: 12, to: 12, count: 7, height: 1 }]);
  expect(place(same, 12)).toBe(0.5);
});

test("values stand between the ends, and never beyond them", () => {
  expect(place(some, 25)).toBe(0.5);
  expect(place(some, 5)).toBe(0);
  expect(place(some, 99)).toBe(1);
});
