import { expect, test } from "vitest";
import { type Inflight, applyInflight } from "./inflight";

function request(id: string, timestamp = `2026-01-01T00:00:0${id}Z`): Omit<Inflight, "seen"> {
  const nothing = { req_headers: {}, resp_headers: {}, remote_ip: "", resp_bytes: 0, elapsed_ms: 0 };
  return { id, timestamp, model: "m", req_path: "/", method: "POST", ...nothing };
}

test("a snapshot replaces, an upsert adds or changes, a removal takes away", () => {
  let known = applyInflight([], { operation: "snapshot", requests: [request("2"), request("1")] }, 5);
  expect(known.map(({ id }) => id)).toEqual(["1", "2"]);
  known = applyInflight(known, { operation: "upsert", request: { ...request("1"), resp_bytes: 9 } }, 6);
  known = applyInflight(known, { operation: "upsert", request: request("3") }, 7);
  expect(known.map(({ id, resp_bytes, seen }) => [id, resp_bytes, seen])).toEqual([["1", 9, 6], ["2", 0, 5], ["3", 0, 7]]);
  known = applyInflight(known, { operation: "remove", id: "2" }, 8);
  expect(known.map(({ id }) => id)).toEqual(["1", "3"]);
  expect(applyInflight(known, { operation: "snapshot" }, 9)).toEqual([]);
});

test("how a stream's events grow is kept from the last snapshot on", () => {
  const told = (events: number): Omit<Inflight, "seen"> => ({ ...request("1"), events });
  let known = applyInflight([], { operation: "upsert", request: told(1) }, 0);
  known = applyInflight(known, { operation: "upsert", request: told(9) }, 250);
  expect(known[0]?.passed).toEqual([{ at: 0, events: 1 }, { at: 250, events: 9 }]);
  known = applyInflight(known, { operation: "snapshot", requests: [told(12)] }, 500);
  expect(known[0]?.passed).toEqual([{ at: 500, events: 12 }]);
});

test("requests of the same second are in the order of their numbers", () => {
  const known = applyInflight([], { operation: "snapshot", requests: [request("10", "t"), request("9", "t")] }, 0);
  expect(known.map(({ id }) => id)).toEqual(["9", "10"]);
});
