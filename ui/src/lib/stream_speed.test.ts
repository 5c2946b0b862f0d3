import { expect, test } from "vitest";
import { type Passed, speedOfAll, streamSpeed, withPassed } from "./stream_speed";

/** A stream of which these `[at, events]` were told. */
function streaming(...told: [number, number][]): { phase: string; passed: readonly Passed[] } {
  return { phase: "streaming", passed: told.reduce<readonly Passed[]>((known, [at, events]) => withPassed(known, { at, events }), []) };
}

test("a speed is that of the last two seconds", () => {
  const faster = Array.from({ length: 21 }, (_, n): [number, number] => [n * 250, n <= 10 ? n : 10 + (n - 10) * 10]);
  expect(streamSpeed(streaming(...faster), 5000)).toBe(40);
  expect(streaming(...faster).passed).toHaveLength(9);
});

test("slow streams have a speed, too", () => {
  expect(streamSpeed(streaming([0, 1], [2200, 2], [4400, 3]), 4500)).toBeCloseTo(1 / 2.2);
});

test("reading the prompt is no part of it, nor is a silence", () => {
  expect(streamSpeed(streaming([0, 0], [2000, 0], [2250, 1], [3250, 31]), 3250)).toBe(30);
  expect(streamSpeed(streaming([0, 1], [1000, 31], [9000, 32], [10_000, 52]), 10_000)).toBe(20);
});

test("too little, too long ago or not a stream is no speed", () => {
  expect(streamSpeed(streaming([0, 1], [250, 11]), 250)).toBeNull();
  const stream = streaming([0, 1], [1000, 11]);
  expect(streamSpeed(stream, 3500)).toBe(10);
  expect(streamSpeed(stream, 3501)).toBeNull();
  expect(streamSpeed({ ...stream, phase: "queued" }, 1000)).toBeNull();
  expect(streamSpeed({ phase: "streaming" }, 0)).toBeNull();
});

test("a clock that was set back begins anew", () => {
  expect(streamSpeed(streaming([9000, 1], [1000, 2], [2000, 7]), 2000)).toBe(5);
});

test("requests of one model count together", () => {
  const [one, other] = [streaming([0, 1], [1000, 11]), streaming([0, 5], [1000, 10])];
  expect(speedOfAll([one, other, { phase: "queued" }], 1000)).toBe(15);
  expect(speedOfAll([{ phase: "streaming" }], 1000)).toBeNull();
  expect(speedOfAll([], 1000)).toBeNull();
});
