import { expect, test } from "vitest";
import type { Change } from "../../lib/api.gen";
import { markersOf, nearest } from "./markers";

const change = (id: number, run: number, state: string, more: Partial<Change> = {}): Change => ({ id, at: id * 10, model: `m${run}`, run, state, cause: "", ...more });
const changes = [
  change(7, 3, "stopped"),
  change(6, 3, "stopping", { reason: "start_failed" }),
  change(5, 3, "starting"),
  change(4, 1, "stopped"),
  change(3, 1, "stopping", { reason: "evicted", for_model: "m3" }),
  change(2, 1, "ready"),
  change(1, 1, "starting"),
];

test("loads, unloads and failures are told apart by why their run began to stop", () => {
  expect(markersOf(changes, (id) => id.toUpperCase())).toEqual([
    { at: 20, kind: "loaded", text: "M1 is ready" },
    { at: 40, kind: "unloaded", text: "M1 was unloaded for M3" },
    { at: 70, kind: "failed", text: "M3 failed" },
  ]);
});

test("the nearest one is found, within reach", () => {
  const markers = markersOf(changes, String);
  expect(nearest(markers, 33, 10)?.at).toBe(40);
  expect(nearest(markers, 55, 10)).toBeNull();
});
