import { expect, test } from "vitest";
import { ago, bytes, context, count, countHours, duration, estimated, exact, inShort, minuteOfDay, natural, perSecond, timeOfDay, wholeDuration } from "./format";

test.each([
  [0.25, "250 ms"],
  [8.24, "8.2 s"],
  [59.6, "1 min 0 s"],
  [75, "1 min 15 s"],
  [3700, "1 h 1 min"],
  [90000, "1 d 1 h"],
  [null, "–"],
])("duration of %s", (seconds, text) => expect(duration(seconds)).toBe(text));

test("what counts down does not show fractions", () => expect(wholeDuration(8.2)).toBe("8 s"));

test.each([
  [0, "0 B"],
  [1023, "1,023 B"],
  [1536, "1.5 KiB"],
  [150 * 1024 * 1024, "150 MiB"],
  [undefined, "–"],
])("%s bytes", (value, text) => expect(bytes(value)).toBe(text));

test.each([
  [32768, "32K"],
  [131072, "128K"],
  [1048576, "1M"],
  [128000, "125K"],
  [4000, "4,000"],
])("a context of %s", (tokens, text) => expect(context(tokens)).toBe(text));

test.each([
  [0, "now"],
  [12, "12 s ago"],
  [300, "5 min ago"],
  [7200, "2 h ago"],
])("%s seconds ago", (seconds, text) => expect(ago(0, seconds * 1000)).toBe(text));

test.each([
  [4.237, "4.2", "4.2"],
  [41.94, "41.9", "42"],
  [9.97, "10.0", "10"],
  [137.2, "137", "137"],
  [null, "–", "–"],
])("%s per second, and about that", (value, text, about) => expect([perSecond(value), perSecond(value, true)]).toEqual([text, about]));

test.each([
  [0.03, "0.1 s"],
  [0.557, "0.6 s"],
  [8.24, "8.2 s"],
  [9.97, "10 s"],
  [75.4, "1 min 15 s"],
])("an estimate of %d s is told as %s", (seconds, text) => expect(estimated(seconds)).toBe(text));

test.each([
  ["it exited with code 3; its last output:\nloading\nout of memory\n", "it exited with code 3; its last output: out of memory"],
  ["it exited with code 3; it wrote nothing", "it exited with code 3; it wrote nothing"],
  ["it exited; its last output:", "it exited."],
])("a failure in short has its last output line", (cause, text) => expect(inShort(cause)).toBe(text));

test("numbers are grouped", () => expect(count(1234567)).toBe("1,234,567"));

test("names are sorted as people do it", () => {
  expect(["model-10", "Model-9", "a"].sort(natural)).toEqual(["a", "Model-9", "model-10"]);
});

test("hours are counted as chosen", () => {
  const at = new Date(2026, 0, 2, 15, 4, 5).getTime();
  expect([timeOfDay(at), minuteOfDay(at)]).toEqual(["15:04:05", "15:04"]);
  countHours("12");
  expect([timeOfDay(at), minuteOfDay(at), exact(at)].map((text) => text.replace(/\s/g, " "))).toEqual([expect.stringMatching(/^0?3:04:05 PM$/i), expect.stringMatching(/^0?3:04 PM$/i), expect.stringContaining("3:04:05")]);
  countHours("24");
  expect(exact(at)).toContain("15:04:05");
});
