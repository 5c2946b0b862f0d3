import { expect, test } from "vitest";
import type { ActivityRow } from "../../lib/api.gen";
import { HISTORY, prompt } from "./history_columns";
import { markdown, mean } from "./markdown";

function row(more: Partial<ActivityRow>, output = 10, speed = 5): ActivityRow {
  const tokens = { cache_tokens: -1, draft_tokens: 4, draft_acc_tokens: 3, input_tokens: 7, output_tokens: output, prompt_per_second: -1, tokens_per_second: speed };
  const base = { id: 1, timestamp: "2026-01-31T12:00:00Z", model: "m", req_path: "/v1/x", resp_content_type: "", resp_status_code: 200, has_capture: true };
  return { ...base, tokens, duration_ms: 1500, ...more };
}

test("rows come in the shown columns, and what would break a table is escaped", () => {
  const columns = ["model", "status", "capture", "duration"].map((id) => HISTORY.find((column) => column.id === id)!);
  const text = markdown([row({ model: "a|b", resp_status_code: 502, error_msg: "two\nlines" })], columns);
  expect(text).toContain("| Model | Status | Duration |\n| --- | --- | --: |\n| a\\|b | 502 two lines | 1.5 s |");
  expect(text).toContain("- 1 requests");
  expect(text).toContain("75 % of 4 drafted tokens accepted");
});

test("what of a prompt came from the cache is told as in the request's panel", () => {
  const told = (whole: number | null, input: number, cached: number) =>
    prompt(row({ tokens: { ...row({}).tokens, input_tokens: input, cache_tokens: cached }, ...(whole === null ? {} : { timing: { prompt_tokens: whole } as ActivityRow["timing"] }) }));
  expect([told(7, 1, 6), told(7, 7, 6), told(null, 7, 6), told(7, 7, 0), told(null, 1, 6), told(null, 7, -1)]).toEqual(["1 + 6 cached", "1 + 6 cached", "1 + 6 cached", "7", "1", "7"]);
});

test("the mean speed is weighted by tokens, and unknown speeds do not count", () => {
  const rows = [row({}, 100, 10), row({}, 100, 50), row({}, 100, -1), row({}, 0, 9)];
  expect(mean(rows, (each) => each.tokens.output_tokens, (each) => each.tokens.tokens_per_second)).toBeCloseTo(200 / 12);
  expect(mean([], () => 1, () => 1)).toBeNull();
});

test("a page without rows says so", () => {
  expect(markdown([], HISTORY)).toBe("No requests.\n");
});
