import { expect, test } from "vitest";
import type { Change } from "./api.gen";
import { asked, headline, presentCause, why } from "./causes";

const change = (more: Partial<Change>): Change => ({ id: 1, at: 0, model: "hare", run: 1, state: "stopping", cause: "", ...more });
const nameOf = (id: string): string => ({ owl: "Owl" })[id] ?? id;

test.each([
  [{ state: "ready", cause: "after 2 s", seconds: 2 }, "loaded in 2.0 s"],
  [{ state: "ready", cause: "loaded in 72.3 s for request 7", seconds: 72.34 }, "loaded in 1 min 12 s for request 7"],
  [{ state: "ready", cause: "loaded in 1.0 s by hand", seconds: 1.01 }, "loaded in 1.0 s by hand"],
  [{ state: "starting", cause: "as a preload" }, "as a preload"],
  [{ state: "starting", cause: "for request 12" }, "for request 12"],
  [{ cause: "idle for 300 s", reason: "idle" }, "idle for 300 s"],
  [{ cause: "evicted: group exclusive, for owl, request 812", reason: "evicted", for_model: "owl" }, "evicted: group exclusive, for Owl, request 812"],
  [{ state: "stopped", cause: "evicted: group swap, for owl, by hand", reason: "evicted", for_model: "owl", seconds: 75 }, "evicted: group swap, for Owl, by hand, after 1 min 15 s"],
  [{ cause: "evicted for owl", reason: "evicted", for_model: "owl" }, "evicted: for Owl"], // of an earlier version
  [{ state: "stopped", cause: 'model "hare" exited with code 3 after 0.1 s, before it was ready', reason: "start_failed", seconds: 0.1 }, 'model "hare" exited with code 3 after 0.1 s, before it was ready'],
  [{ cause: 'model "hare" exited with code 7 while it served; its last output:\nboom\nbang\n', reason: "crashed" }, 'model "hare" exited with code 7 while it served; its last output: bang'],
  [{ state: "stopped", cause: "exited", seconds: 75 }, "exited, after 1 min 15 s"],
] satisfies [Partial<Change>, string][])("%o", (told, words) => expect(why(change(told), nameOf)).toBe(words));

test("a list tells of an eviction in a word, and the request that it was for is found in the text", () => {
  const evicted = change({ state: "stopped", cause: "evicted: group swap, for owl, request 8", reason: "evicted", for_model: "owl", for_request: "8", seconds: 9 });
  const { word, rest } = headline(evicted, nameOf);
  expect([word, rest]).toEqual(["evicted", "group swap, for Owl, request 8, after 9.0 s"]);
  expect(asked(evicted, rest)).toEqual({ before: "group swap, for Owl, ", request: "request 8", after: ", after 9.0 s", number: "8" });
  expect(headline(change({ state: "starting", cause: "by hand" }), nameOf)).toEqual({ word: "loading", rest: "by hand" });
  expect(asked(change({ state: "ready", cause: "loaded in 1.0 s for request 7" }), "loaded in 1.0 s for request 7")?.number).toBe("7");
  expect(asked(change({ cause: "by hand" }), "by hand")).toBeNull();
  const died = change({ reason: "crashed", cause: "exited with code 1; its last output:\nout of memory in request 3" });
  expect(asked(died, why(died, nameOf))).toBeNull(); // which counts in its own way
});

test("why a model that has stopped went is what made it stop", () => {
  const idle = change({ id: 2, cause: "idle for 300 s" });
  expect(presentCause("hare", [change({ id: 4, model: "owl" }), change({ id: 3, state: "stopped", cause: "exited" }), idle])).toBe(idle);
  expect(presentCause("hare", [])).toBeNull();
});
