import { afterEach, expect, test, vi } from "vitest";
import { ApiError, call, errorOf, inPath, query } from "./api";
import { session } from "./session.svelte";

afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
  session.signOut();
});

test.each([
  ['{"error":{"message":"no","code":"bad","param":"x"},"src":"swapyard"}', "no", "bad"],
  ['{"type":"error","error":{"type":"not_found_error","message":"gone"}}', "gone", "not_found_error"],
  ["just text", "just text", ""],
  ["<html>proxy</html>", "The server answered 502.", ""],
  ["", "The server answered 502.", ""],
])("an error is read from %s", async (body, message, code) => {
  const error = await errorOf(new Response(body, { status: 502, headers: { "Retry-After": "3" } }));
  expect([error.message, error.code, error.status, error.retryAfter]).toEqual([message, code, 502, 3]);
});

test("the key goes along, and a 401 asks for another one", async () => {
  session.signIn("sk");
  const asked = vi.fn(async (_url: string, _init: RequestInit) => new Response("{}", { status: 401 }));
  vi.stubGlobal("fetch", asked);
  await expect(call("GET", "api/version")).rejects.toBeInstanceOf(ApiError);
  expect(asked.mock.calls[0]?.[1].headers).toMatchObject({ Authorization: "Bearer sk", "X-Requested-With": "swapyard" });
  expect([session.needsKey, session.wasRefused, session.hasKey]).toEqual([true, true, false]);
  expect(sessionStorage).toHaveLength(0);
});

test("a server that is gone is an error in words", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(call("GET", "api/version")).rejects.toMatchObject({ status: 0, message: "Swapyard cannot be reached." });
});

test("paths and queries", () => {
  expect(inPath("org/model a?b")).toBe("org/model%20a%3Fb");
  expect(query({ a: "", b: null, c: ["x", "y"], d: 0 })).toBe("?c=x&c=y&d=0");
});
