import { expect, test } from "vitest";
import { decodeBody, views } from "./body";
import { curl } from "./curl";

const capture = { id: 1, req_path: "/v1/chat/completions", req_headers: { Host: "x", Authorization: "[REDACTED]", "Content-Type": "application/json" }, req_body: null, resp_headers: null, resp_body: null };

test("a request is a command; secrets become placeholders, quotes are quoted", () => {
  expect(curl(capture, "http://h:1/p", `{"a": "it's"}`)).toBe(
    `curl 'http://h:1/p/v1/chat/completions' \\\n  -H 'Authorization: Bearer YOUR_KEY' \\\n  -H 'Content-Type: application/json' \\\n  -d '{"a": "it'\\''s"}'`,
  );
  expect(curl({ ...capture, req_headers: null }, "", null)).toBe("curl '/v1/chat/completions'");
});

test("a body is looked at as what it is", () => {
  const of = (bytes: string, type: string): string[] => views(decodeBody(btoa(bytes), type ? { "content-type": type } : null), false);
  expect(of('{"a": 1}', "application/json; charset=utf-8")).toEqual(["pretty", "raw"]);
  expect(of("{oops", "application/json")).toEqual(["raw"]);
  expect(of("data: x\n\n", "text/event-stream")).toEqual(["raw"]);
  expect(of("GIF89a", "image/gif")).toEqual(["image"]);
  expect(of("RIFF", "audio/wav")).toEqual(["audio"]);
  expect(of("\x00\xff\x01", "application/octet-stream")).toEqual([]);
  expect(decodeBody(btoa("data: x\n\n"), null).isStream).toBe(true);
});
