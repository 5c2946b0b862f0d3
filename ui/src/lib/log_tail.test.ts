import { expect, test } from "vitest";
import { LogTail } from "./log_tail";

test("history replaces, later lines are added", () => {
  const tail = new LogTail();
  const heard: [string, boolean][] = [];
  tail.subscribe(({ text }, isHistory) => heard.push([text, isHistory]));
  tail.append("old\n");
  tail.append("new\n");
  expect(tail.text).toBe("old\nnew\n");
  tail.expectHistory();
  expect(tail.text).toBe("old\nnew\n");
  tail.append("after\n");
  expect(tail.text).toBe("after\n");
  expect(heard.map(([, isHistory]) => isHistory)).toEqual([true, false, true]);
});

test("a log is bounded, and begins with a whole line", () => {
  const tail = new LogTail();
  const line = `${"x".repeat(99)}\n`;
  for (let at = 0; at < 50_000; at += 1) tail.append(line);
  expect(tail.text.length).toBeLessThanOrEqual(4 * 1024 * 1024 + 100);
  expect(tail.text.length % line.length).toBe(0);
});
