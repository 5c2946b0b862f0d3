import { expect, test } from "vitest";
import type { Change } from "./api.gen";
import { presentCause, why } from "./causes";

const change = (more: Partial<Change>): Change => ({ id: 1, at: 0, model: "hare", run: 1, state: "stopping", cause: "", ...more });
const nameOf = (id: string): string => ({ owl: "Owl" })[id] ?? id;

test.each([
  [{ state: "ready", cause: "after 2 s", seconds: 2 }, "loaded in 2.0 s"],
  [{ state: "ready", cause: "loaded in 72.3 s for request 7", seconds: 72.34 }, "loaded in 1 min 12 s for a request"],
  [{ state: "ready", cause: "loaded in 1.0 s by hand", seconds: 1.01 }, "loaded in 1.0 s by hand"],
  [{ state: "starting", cause: "as a preload" }, "as a preload"],
  [{ state: "starting", cause: "for request 12" }, "for a request"],
  [{ cause: "idle for its ttl", reason: "idle" }, "idle for its ttl"],
  [{ cause: "evicted for owl", reason: "evicted", for_model: "owl" }, "makes room for Owl"],
  [{ state: "stopped", cause: "evicted for owl", reason: "evicted", for_model: "owl", seconds: 75 }, "made room for Owl, after 1 min 15 s"],
  [{ state: "stopped", cause: 'model "hare" exited with code 3 after 0.1 s, before it was ready', reason: "start_failed", seconds: 0.1 }, 'model "hare" exited with code 3 after 0.1 s, before it was ready'],
  [{ cause: 'model "hare" exited with code 7 while it served; its last output:\nboom', reason: "crashed" }, 'model "hare" exited with code 7 while it served.'],
  [{ state: "stopped", cause: "exited", seconds: 75 }, "exited, after 1 min 15 s"],
] satisfies [Partial<Change>, string][])("%o", (told, words) => expect(why(change(told), nameOf)).toBe(words));

test("why a model that has stopped went is what made it stop", () => {
  const idle = change({ id: 2, cause: "idle for its ttl" });
  expect(presentCause("hare", [change({ id: 4, model: "owl" }), change({ id: 3, state: "stopped", cause: "exited" }), idle])).toBe(idle);
  expect(presentCause("hare", [])).toBeNull();
});
