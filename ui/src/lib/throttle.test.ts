import { expect, test, vi } from "vitest";
import { throttle } from "./throttle";

test("many questions within a second are one at once and one at its end", () => {
  vi.useFakeTimers();
  const run = vi.fn();
  const { ask } = throttle(1000, run);
  for (let at = 0; at < 20; at += 1) ask();
  expect(run).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1000);
  expect(run).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(5000);
  expect(run).toHaveBeenCalledTimes(2);
  ask();
  expect(run).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});
