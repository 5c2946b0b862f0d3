import { expect, test } from "vitest";
import { compile, entriesOf, isNoise, levelOf, mergedByTime, modelOf, ranges, split, timeIn } from "./lines";

test("a line's level is what it says, or what it sounds like", () => {
  expect(levelOf("[INFO] swapyard listens")).toBe("info");
  expect(levelOf("2026-01-31 12:00:00 WARNING  cache is full of errors")).toBe("warn");
  expect(levelOf("ERROR: no such file")).toBe("error");
  expect(levelOf("CUDA error: out of memory")).toBe("error");
  expect(levelOf("Traceback (most recent call last):")).toBe("error");
  expect(levelOf('  File "x.py", line 3', "error")).toBe("error");
  expect(levelOf("srv  load_model: loading")).toBe("other");
  expect(levelOf("INFORMATION is no level")).toBe("other");
  expect(levelOf('<hare>   File "x.py", line 3', "error")).toBe("error");
  expect(levelOf("0 errors")).toBe("other");
});

test("the page's own requests are known by their path and the browser", () => {
  const line = (path: string, agent = "Mozilla/5.0"): string => `[INFO] Request 127.0.0.1 "GET ${path} HTTP/1.1" 200 12 "${agent}" 1ms`;
  expect(["/ui/assets/core.js", "/ui", "/api/events", "/api/metrics/activity", "/logs/stream/hare", "/favicon.ico", "/v1/models"].filter((path) => !isNoise(line(path)))).toEqual([]);
  expect(isNoise(`2026-01-31 12:00 ${line("/ui/")}`)).toBe(true);
  expect(["/api/events", "/v1/models"].some((path) => isNoise(line(path, "curl/8")))).toBe(false);
  expect(isNoise(line("/uix"))).toBe(false);
  expect(isNoise('[INFO] Request 1.1.1.1 "POST /api/models/unload HTTP/1.1" 200 1 "Mozilla/5.0" 1ms')).toBe(false);
});

test.each([
  '[INFO] Request 127.0.0.1 "GET /health HTTP/1.1" 200 2 "kube-probe/1.30" 0s',
  "<hare> srv  log_server_r: done request: GET /health 503",
  "srv  log_server_r: request: GET /health 127.0.0.1 200",
  'INFO:     127.0.0.1:51234 - "GET /health HTTP/1.1" 200 OK',
  '10.0.0.7 - - "GET /metrics HTTP/1.1" 200',
])("a probe is known whoever writes of it: %s", (line) => expect(isNoise(line)).toBe(true));

test("a probe that is called an error is told", () => expect(isNoise("[ERROR] GET /health: no answer", "error")).toBe(false));

test.each(["GET /healthy/food", "POST /health", "could not GET /pingpong", "the health of GET"])("no probe: %s", (line) => expect(isNoise(line)).toBe(false));

test("an invalid expression is told and filters nothing", () => {
  expect(compile("[a")).toMatchObject({ regex: null, error: expect.stringContaining("This is no regular expression") });
  expect(compile("")).toEqual({ regex: null, error: "" });
});

test("matches are found in any case, empty ones mark nothing", () => {
  expect(ranges("Load, unLOAD", compile("load").regex!)).toEqual([[0, 4], [8, 12]]);
  expect(ranges("abc", compile("x*").regex!)).toEqual([]);
});

test("pieces become whole lines, and a progress bar its last state", () => {
  expect(split("a\r\n 10%\r 20%\r 30%\nhalf")).toEqual({ lines: ["a", " 30%"], rest: "half" });
  expect(split("")).toEqual({ lines: [], rest: "" });
});

test("lines have the times that the server tells, and two logs become one by them", () => {
  const ours = entriesOf({ text: "a\nb\nc\n", times: [[0, 10], [2, 30]] }, "proxy");
  expect(ours.map(({ at }) => at)).toEqual([10, 10, 30]);
  const theirs = entriesOf({ text: "x\ny\nz\n", times: [[0, 5], [1, 20], [2, 30]] }, "upstream");
  expect(mergedByTime(ours, theirs).map(({ text }) => text)).toEqual(["x", "a", "b", "y", "c", "z"]);
  expect(entriesOf({ text: "old\n", times: [] }, null)[0]?.at).toBeNull();
});

test("whom a line is about is told by its tag, also behind a level and a time", () => {
  expect(modelOf("<org/m:q4> hello")).toBe("org/m:q4");
  expect(modelOf("[INFO] <hare> ready")).toBe("hare");
  expect(modelOf("2026-01-02T03:04:05Z [WARN] <hare> slow")).toBe("hare");
  expect(modelOf('[INFO] Request 1.1.1.1 "GET /<hare> x"')).toBe("");
});

test("a line's own time is read where it has date and time", () => {
  expect(timeIn("INFO 2026-01-02 03:04:05,678Z x")).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  expect(timeIn("2026-01-02T03:04:05+02:00 x")).toBe(Date.UTC(2026, 0, 2, 1, 4, 5));
  expect(timeIn("2026-01-02 03:04:05 x")).toBe(new Date(2026, 0, 2, 3, 4, 5).getTime());
  expect(timeIn("INFO 01-02 03:04:05 x")).toBeNull();
});
