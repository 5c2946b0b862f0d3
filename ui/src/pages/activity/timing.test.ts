import { expect, test } from "vitest";
import type { ActivityRow, ActivityTiming } from "../../lib/api.gen";
import { parts, span } from "./timing";

const NOT_KNOWN: ActivityTiming = {
  outcome: "complete", ended_ms: 5000, queue_ms: -1, load_ms: -1, first_token_ms: -1, prefill_ms: -1, decode_ms: -1, prompt_tokens: 0, client: "", session: "", request: 0,
};

function row(duration_ms: number, timing?: Partial<ActivityTiming>, type = "application/json"): ActivityRow {
  const tokens = { cache_tokens: 0, draft_tokens: 0, draft_acc_tokens: 0, input_tokens: 0, output_tokens: 0, prompt_per_second: 0, tokens_per_second: 0 };
  const base = { id: 1, timestamp: "1970-01-01T00:00:04Z", model: "m", req_path: "/", resp_content_type: type, resp_status_code: 200, tokens, has_capture: false };
  return { ...base, duration_ms, timing: timing && { ...NOT_KNOWN, ...timing } };
}

const short = (of: ActivityRow): string => parts(of).map(({ id, ms }) => `${id} ${Math.round(ms)}`).join(", ");

test("the engine's own figures are the parts", () => {
  expect(short(row(1000, { queue_ms: 50, load_ms: 400, prefill_ms: 100, decode_ms: 430 }))).toBe("queue 50, load 400, prefill 100, decode 430, rest 20");
});

test("what a stream waited at its server before the prompt was read is told", () => {
  const timing = { queue_ms: 50, load_ms: 400, first_token_ms: 1500, prefill_ms: 100, decode_ms: 430 };
  expect(short(row(2000, timing, "text/event-stream"))).toBe("queue 50, load 400, server 950, prefill 100, decode 430, rest 70");
  expect(short(row(1500, timing, "text/event-stream"))).toBe("queue 50, load 400, server 520, prefill 100, decode 430");
  expect(short(row(2000, timing))).toBe("queue 50, load 400, prefill 100, decode 430, rest 1020");
});

test("a stream without figures is split at its first token", () => {
  expect(short(row(940, { queue_ms: 63, load_ms: 612, first_token_ms: 709 }, "text/event-stream"))).toBe("queue 63, load 612, prefill 34, decode 231");
});

test("an answer in one piece is not split by guessing", () => {
  expect(short(row(500, { queue_ms: 100, first_token_ms: 499 }))).toBe("queue 100, rest 400");
});

test("parts never exceed the whole", () => {
  expect(short(row(100, { prefill_ms: 150, decode_ms: 50 }))).toBe("prefill 75, decode 25");
});

test("rows of another program have no parts, and end when they were written", () => {
  expect(parts(row(100))).toEqual([]);
  expect(span(row(100))).toEqual({ from: 3900, to: 4000 });
  expect(span(row(100, {}))).toEqual({ from: 4900, to: 5000 });
});
