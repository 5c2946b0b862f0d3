import { expect, test } from "vitest";
import type { ActivityRow } from "../../lib/api.gen";
import type { Inflight } from "../../lib/inflight";
import { named, underWay } from "./named_request";

const row = (id: number, ended: number, seconds: number): ActivityRow =>
  ({ id, model: "hare", timestamp: "", duration_ms: seconds * 1000, timing: { ended_ms: ended * 1000, request: 7 } }) as ActivityRow;

test("of several processes' requests with a number it is the one that was under way then", () => {
  const rows = [row(30, 9000, 5), row(20, 5000, 10), row(10, 100, 5)];
  expect(named(rows, 8_996_000, "hare")?.id).toBe(30);
  expect(named(rows, 4_995_000, "hare")?.id).toBe(20);
  expect(named(rows, 5_010_000, "hare")?.id).toBe(20); // its client left before the stop that it asked for was over
  expect(named(rows, 7_000_000, "hare")).toBeNull(); // whose row was lost with its process
  expect(named(rows, 1000, "hare")).toBeNull();
  expect(named(rows, 4_995_000, "owl")).toBeNull(); // one that no row is kept of, soon after another process had that number
  expect(named(rows, 4_995_000, "")?.id).toBe(20);
});

test("a request under way that began after the change is another process's", () => {
  const request = { id: "7", timestamp: new Date(60_000).toISOString() } as Inflight;
  expect(underWay("7", 61_000, [request])).toBe(request);
  expect(underWay("7", 1000, [request])).toBeNull();
  expect(underWay("8", 61_000, [request])).toBeNull();
});
