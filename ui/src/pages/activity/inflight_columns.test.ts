import { expect, test } from "vitest";
import type { Inflight } from "../../lib/inflight";
import { elapsed, header, phaseLook } from "./inflight_columns";

const request = (more: Partial<Inflight>): Inflight => ({
  id: "1", timestamp: "", model: "m", req_path: "/", method: "POST", req_headers: { "User-Agent": "curl", "X-Session-Id": "s1" }, remote_ip: "", resp_headers: null,
  resp_bytes: 0, elapsed_ms: 1500, seen: 10_000, ...more,
});

test("a queued request tells its place, and a server without phases is not guessed at", () => {
  const queued = [1, 2, 3].map((position) => request({ phase: "queued", position }));
  expect(phaseLook(queued[1]!, queued).text).toBe("Queued, place 2 of 3");
  expect(phaseLook(request({ phase: "loading" }), []).text).toBe("Model loads");
  expect(phaseLook(request({}), []).text).toBe("Under way");
});

test("time passes by this browser's clock", () => {
  expect(elapsed(request({}), 12_500)).toBe(4);
  expect(elapsed(request({}), 0)).toBe(0);
});

test("headers are found in any case, in the order of their names", () => {
  expect(header(request({}), ["x-other", "x-session-id"])).toBe("s1");
  expect(header(request({ req_headers: null }), ["x"])).toBe("");
});
