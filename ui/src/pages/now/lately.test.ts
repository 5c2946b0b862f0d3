import { expect, test } from "vitest";
import type { Change } from "../../lib/api.gen";
import { folded } from "./lately";

let id = 100;
/** The newest first, so ids count down. */
const change = (model: string, run: number, state: string, more: Partial<Change> = {}): Change => ({ id: id--, at: id, model, run, state, cause: state, ...more }) as Change;

test("a stop is told once, with the reason it began with and the seconds it ended with", () => {
  const [end, beginning] = [change("hare", 1, "stopped", { cause: "exited", seconds: 60 }), change("hare", 1, "stopping", { reason: "evicted", for_model: "tortoise" })];
  expect(folded([end, beginning])).toEqual([{ ...beginning, id: end.id, at: end.at, state: "stopped", seconds: 60 }]);
});

test("a load is told while it lasts, then by what came of it", () => {
  const failed = [change("a", 2, "stopped"), change("a", 2, "stopping", { reason: "start_failed" }), change("a", 2, "starting")];
  const changes = [change("c", 3, "starting"), ...failed, change("b", 1, "ready"), change("b", 1, "starting")];
  expect(folded(changes).map(({ model, state, reason }) => `${model} ${state} ${reason ?? ""}`)).toEqual(["c starting ", "a stopped start_failed", "b ready "]);
});

test("changes of other models in between do not part them", () => {
  const changes = [change("b", 2, "ready"), change("a", 1, "stopped"), change("b", 2, "starting"), change("a", 1, "stopping")];
  expect(folded(changes).map(({ model, state }) => `${model} ${state}`)).toEqual(["b ready", "a stopped"]);
});

test("what does not belong together stays apart", () => {
  const other = [change("a", 2, "ready"), change("a", 1, "starting")]; // of another process, which counts its runs from 1 too
  expect(folded(other)).toEqual(other);
  const again = [change("a", 1, "starting"), change("a", 1, "starting")];
  expect(folded(again)).toEqual(again);
  const crash = [change("a", 1, "stopped", { reason: "crashed" }), change("a", 1, "ready")];
  expect(folded(crash)).toEqual(crash);
});
