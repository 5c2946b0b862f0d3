import { expect, test } from "vitest";
import type { ActivityRow, Change } from "../../lib/api.gen";
import { type Lane, busy, found, lanes, marks, percent, placeOf } from "./lanes";

const stretch = { from: 100, to: 200 };
let id = 0;
const change = (at: number, model: string, state: string): Change => ({ id: (id += 1), at, model, run: 1, state, cause: `to ${state}` });
const row = (model: string, from: number, to: number, waited = 0): ActivityRow => ({
  id: 1, timestamp: "", model, req_path: "/", resp_content_type: "", resp_status_code: 200, has_capture: false, duration_ms: (to - from) * 1000,
  tokens: { cache_tokens: 0, draft_tokens: 0, draft_acc_tokens: 0, input_tokens: 0, output_tokens: 0, prompt_per_second: 0, tokens_per_second: 0 },
  timing: { outcome: "", ended_ms: to * 1000, queue_ms: waited * 1000, load_ms: -1, first_token_ms: -1, prefill_ms: -1, decode_ms: -1, prompt_tokens: 0, client: "", session: "", request: 0 },
});
const short = (all: Lane[]): string[] => all.map((lane) => `${lane.model}: ${lane.segments.map(({ state, from, to }) => `${state} ${from}-${to}`).join(", ")}`);

test("changes make segments, from one to the next", () => {
  const changes = [change(110, "a", "starting"), change(120, "a", "ready"), change(150, "a", "stopping"), change(155, "a", "stopped")];
  const found = lanes(stretch, changes, [], new Map(), 300);
  expect(short(found)).toEqual(["a: starting 110-120, ready 120-150, stopping 150-155"]);
  expect(found[0]?.segments[1]).toMatchObject({ began: { at: 120 }, ended: { at: 150 }, isOpen: false });
});

test("what was before the stretch is told by the first change, what is now by the state", () => {
  expect(short(lanes(stretch, [change(150, "a", "stopping"), change(151, "a", "stopped")], [], new Map(), 300))).toEqual(["a: ready 100-150, stopping 150-151"]);
  expect(short(lanes(stretch, [], [], new Map([["a", "ready"], ["b", "stopped"]]), 300))).toEqual(["a: ready 100-200"]);
  expect(short(lanes(stretch, [change(190, "a", "starting")], [], new Map(), 195))).toEqual(["a: starting 190-195"]);
});

test("every segment has a name of its own, by which it is found again", () => {
  const changes = [change(110, "a", "starting"), change(120, "a", "ready"), change(130, "b", "stopping")];
  const all = lanes(stretch, changes, [], new Map([["c", "ready"]]), 300);
  const names = all.flatMap((lane) => lane.segments.map((segment) => placeOf(lane, segment)));
  const [starting, ready, stopping] = changes.map(({ id }) => id);
  expect(names.sort()).toEqual([`${starting}`, `${ready}`, `to ${stopping}`, `${stopping}`, "of c"].sort());
  for (const name of names) {
    const it = found(all, name);
    expect(it && placeOf(it.lane, it.segment)).toBe(name);
  }
  expect(found(all, "")).toBeNull();
});

test("what happened after the stretch is not in it, but tells how it ended", () => {
  const found = lanes(stretch, [change(250, "a", "stopping")], [], new Map(), 300);
  expect(short(found)).toEqual(["a: ready 100-200"]);
  expect(found[0]?.segments[0]?.isOpen).toBe(true);
});

test("a failed start ends its segment", () => {
  expect(short(lanes(stretch, [change(110, "a", "starting"), change(111, "a", "stopped")], [], new Map(), 300))).toEqual(["a: starting 110-111"]);
});

test("requests make a lane of their own, and busy times are joined without the waiting", () => {
  const [lane, ...others] = lanes(stretch, [], [row("a", 110, 130, 5), row("a", 125, 140), row("a", 180, 190), row("a", 10, 20), row("nobody", 110, 120)], new Map([["a", "stopped"]]), 300);
  expect(others).toEqual([]);
  expect(lane?.ticks.length).toBe(3);
  expect(busy(lane?.ticks ?? [], stretch)).toEqual([{ from: 115, to: 140 }, { from: 180, to: 190 }]);
});

test("places and round times", () => {
  expect(percent(150, stretch)).toBe(50);
  expect(percent(999, stretch)).toBe(100);
  expect(marks({ from: 30, to: 900 }, 8, 0)).toEqual([120, 240, 360, 480, 600, 720, 840]);
  expect(marks({ from: 0, to: 86_400 }, 8, 1800).every((at) => (at + 1800) % 10_800 === 0)).toBe(true);
});
