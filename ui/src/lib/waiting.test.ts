import { expect, test } from "vitest";
import type { Inflight } from "./inflight";
import { loadsUntil, placeOf, waitingFor } from "./waiting";

const NAMES: Record<string, string> = { hare: "Hare", owl: "Owl", "org/m:q4": "Magpie" };
const nameOf = (id: string): string => NAMES[id] ?? id;
const request = (more: Partial<Inflight>): Inflight => ({
  id: "1", timestamp: "", model: "owl", req_path: "/", method: "POST", req_headers: null, remote_ip: "", resp_headers: null, resp_bytes: 0, elapsed_ms: 0, seen: 0, ...more,
});

test.each([
  [{ phase: "queued", waiting_for: "hare must finish first" }, "Hare must finish first"],
  [{ phase: "queued", waiting_for: "hare and org/m:q4 and x must finish first" }, "Hare, Magpie and x must finish first"],
  [{ phase: "queued", waiting_for: "owl is busy" }, "Owl is busy"],
  [{ phase: "queued", waiting_for: "another model is being loaded" }, "another model is being loaded"],
  [{ phase: "queued", waiting_for: "hare and org/m:q4 are being loaded" }, "Hare and Magpie are being loaded"],
  [{ phase: "queued", waiting_for: "hare is being loaded" }, "Hare is being loaded"],
  [{ phase: "queued", waiting_for: ["hare", "owl"] }, "Hare and Owl must finish first"],
  [{ phase: "queued" }, "waits for its turn"],
  [{ phase: "loading" }, "Owl is loading"],
  [{ phase: "streaming" }, ""],
  [{}, ""],
] satisfies [Partial<Inflight>, string][])("%o", (told, words) => expect(waitingFor(request(told), nameOf)).toBe(words));

test("a place is one among the requests, and loads that somebody asked for take none", () => {
  const line = [
    request({ id: "3", model: "owl", phase: "queued", position: 4 }),
    request({ id: "1", model: "hare", phase: "streaming" }),
    request({ id: "2", model: "hare", phase: "queued", position: 2 }),
    request({ id: "4", model: "magpie", phase: "loading" }),
  ];
  expect(line.map((each) => placeOf(each, line))).toEqual(["Place 2 of 2", "Queued", "Place 1 of 2", "Queued"]);
});

test("what is to be loaded until its turn: each model once, in their order, but for those that are ready", () => {
  const line = ["hare", "owl", "hare", "magpie", "owl", "later"].map((model, at) => request({ id: `${at}`, model, phase: "queued", position: at + 1 }));
  expect(loadsUntil(line[4]!, line, () => false)).toEqual(["hare", "owl", "magpie"]);
  expect(loadsUntil(line[4]!, line, (model) => model === "owl")).toEqual(["hare", "magpie"]);
  expect(loadsUntil(line[0]!, line, (model) => model === "hare")).toEqual([]);
});
