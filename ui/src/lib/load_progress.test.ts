import { expect, test } from "vitest";
import type { ModelDetails } from "./api.gen";
import { loadProgress } from "./load_progress";

function model(uptime: number, median: number | null): ModelDetails {
  const run = { id: 1, pid: 1, address: null, uptime, idle: null, ttl_left: null, memory_bytes: null };
  return { run, loads: { count: 1, failed: 0, median, p95: median } } as ModelDetails;
}

test("a load goes on from what was told, up to its usual time", () => {
  expect(loadProgress(model(2, 8), 1000, 3000)).toEqual({ elapsed: 4, part: 0.5, left: 4 });
  expect(loadProgress(model(9, 8), 1000, 1000)).toEqual({ elapsed: 9, part: 0.98, left: 0 });
});

test("without a past load nothing is promised", () => {
  expect(loadProgress(model(2, null), 0, 0)).toEqual({ elapsed: 2, part: null, left: null });
});
