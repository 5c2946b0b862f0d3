// What became of the models over a stretch of time, as lanes of segments. Times in seconds since the epoch.
import type { ActivityRow, Change } from "../../lib/api.gen";
import { span } from "../activity/timing";

export type SegmentState = "starting" | "ready" | "stopping";

export interface Segment {
  state: SegmentState;
  from: number;
  to: number;
  /** It began before the stretch, or lasts beyond it. */
  isOpen: boolean;
  /** What began it, and what ended it; null where that lies outside of what is known. */
  began: Change | null;
  ended: Change | null;
}

export interface Tick {
  from: number;
  to: number;
  row: ActivityRow;
}

export interface Lane {
  model: string;
  segments: Segment[];
  ticks: Tick[];
}

export interface Stretch {
  from: number;
  to: number;
}

/** `changes`: every one from the stretch's begin until now, in any order. `states`: of the models now. Models without anything
 * to show have no lane, and neither have names that are no model of this server. */
export function lanes(stretch: Stretch, changes: readonly Change[], rows: readonly ActivityRow[], states: ReadonlyMap<string, string>, now: number): Lane[] {
  const models = new Set([...states.keys(), ...changes.map(({ model }) => model)]);
  const found = [...models].map((model) => ({
    model,
    segments: segmentsOf(stretch, changes.filter((change) => change.model === model), states.get(model) ?? "stopped", now),
    ticks: ticksOf(stretch, rows.filter((row) => row.model === model)),
  }));
  return found.filter((lane) => lane.segments.length || lane.ticks.length);
}

/** How an address names a segment: by the change that began it, else by the one that ended it, else by its model. */
export function placeOf(lane: Lane, { began, ended }: Segment): string {
  if (began) return `${began.id}`;
  return ended ? `to ${ended.id}` : `of ${lane.model}`;
}

/** The segment of this name, as it is now; null where it is none of these. */
export function found(lanes: readonly Lane[], place: string): { lane: Lane; segment: Segment } | null {
  for (const lane of lanes) {
    const segment = lane.segments.find((segment) => placeOf(lane, segment) === place);
    if (segment) return { lane, segment };
  }
  return null;
}

function segmentsOf(stretch: Stretch, changes: readonly Change[], present: string, now: number): Segment[] {
  const sorted = [...changes].sort((a, b) => a.at - b.at || a.id - b.id);
  const found: Segment[] = [];
  let state = sorted[0] ? before(sorted[0].state) : present;
  let since = -Infinity;
  let began: Change | null = null;
  const close = (at: number, ended: Change | null): void => {
    if (state !== "starting" && state !== "ready" && state !== "stopping") return;
    if (at < stretch.from || since > stretch.to || since >= now) return;
    const [from, to] = [Math.max(since, stretch.from), Math.min(at, stretch.to, now)];
    if (to >= from) found.push({ state, from, to, isOpen: since < stretch.from || at > stretch.to, began, ended });
  };
  for (const change of sorted) {
    close(change.at, change);
    state = change.state;
    since = change.at;
    began = change;
  }
  close(Infinity, null);
  return found;
}

/** What a model must have been before it became this. */
function before(state: string): string {
  if (state === "ready") return "starting";
  if (state === "stopping") return "ready";
  return state === "stopped" ? "stopping" : "stopped";
}

function ticksOf(stretch: Stretch, rows: readonly ActivityRow[]): Tick[] {
  return rows
    .map((row) => ({ row, from: span(row).from / 1000, to: span(row).to / 1000 }))
    .filter(({ from, to }) => to >= stretch.from && from <= stretch.to)
    .sort((a, b) => a.from - b.from);
}

/** When a model was answering: its requests without their time in the queue and while it loaded, joined where they meet. */
export function busy(ticks: readonly Tick[], within: Stretch): Stretch[] {
  const found: Stretch[] = [];
  const spans = ticks.map(({ row, from, to }) => ({ from: from + waited(row), to })).sort((a, b) => a.from - b.from);
  for (const each of spans) {
    const [from, to] = [Math.max(each.from, within.from), Math.min(each.to, within.to)];
    if (to < from) continue;
    const last = found.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else found.push({ from, to });
  }
  return found;
}

function waited(row: ActivityRow): number {
  return (Math.max(0, row.timing?.queue_ms ?? 0) + Math.max(0, row.timing?.load_ms ?? 0)) / 1000;
}

/** Where a time stands in a stretch, in percent. */
export function percent(at: number, stretch: Stretch): number {
  return Math.min(100, Math.max(0, ((at - stretch.from) / (stretch.to - stretch.from)) * 100));
}

const STEPS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600];

/** Round times in a stretch, at most `most`; `offset`: of the time zone, in seconds. */
export function marks(stretch: Stretch, most: number, offset: number): number[] {
  const step = STEPS.find((seconds) => (stretch.to - stretch.from) / seconds <= most) ?? 86_400;
  const first = Math.ceil((stretch.from + offset) / step) * step - offset;
  const found: number[] = [];
  for (let at = first; at <= stretch.to; at += step) found.push(at);
  return found;
}
