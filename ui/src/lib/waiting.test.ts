import { expect, test } from "vitest";
import type { Inflight } from "./inflight";
import { waitingFor } from "./waiting";

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
  [{ phase: "queued", waiting_for: ["hare", "owl"] }, "Hare and Owl must finish first"],
  [{ phase: "queued" }, "waits for its turn"],
  [{ phase: "loading" }, "Owl is loading"],
  [{ phase: "streaming" }, ""],
  [{}, ""],
] satisfies [Partial<Inflight>, string][])("%o", (told, words) => expect(waitingFor(request(told), nameOf)).toBe(words));
