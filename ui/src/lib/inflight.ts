// The requests under way, as the event `inflight` tells them.

import { type Passed, withPassed } from "./stream_speed";

export type Phase = "receiving" | "queued" | "loading" | "prefill" | "streaming";

/** The fields from `phase` on are there as far as the server tells them. `seen`: when this browser heard of it, in ms, so that
 * clocks need not agree: a request is `elapsed_ms` + (now - `seen`) old. `passed`: how `events` has grown since. */
export interface Inflight {
  id: string;
  timestamp: string;
  model: string;
  req_path: string;
  method: string;
  req_headers: Record<string, string> | null;
  remote_ip: string;
  resp_headers: Record<string, string> | null;
  resp_bytes: number;
  elapsed_ms: number;
  metadata?: Record<string, string>;
  phase?: Phase;
  /** In the queue, from 1. */
  position?: number;
  /** Why it waits: in words, or the models that have to finish first. */
  waiting_for?: string | string[];
  queued_ms?: number;
  load_ms?: number;
  first_byte_ms?: number;
  tokens?: number;
  /** Of its stream, as far as somebody looked: about one for each token. */
  events?: number;
  stream?: boolean;
  seen: number;
  passed?: readonly Passed[];
}

type Told = Omit<Inflight, "seen" | "passed">;
export type InflightEvent =
  | { operation: "snapshot"; requests?: Told[] | null }
  | { operation: "upsert"; request: Told }
  | { operation: "remove"; id: string };

/** `now`: ms since the epoch. Sorted by start, then id. */
export function applyInflight(known: readonly Inflight[], event: InflightEvent, now: number): readonly Inflight[] {
  switch (event.operation) {
    case "snapshot":
      return (event.requests ?? []).map((request) => heard(request, now)).sort(byStart);
    case "upsert": {
      const others = known.filter((request) => request.id !== event.request.id);
      const before = known.find((request) => request.id === event.request.id);
      return [...others, heard(event.request, now, before?.passed)].sort(byStart);
    }
    case "remove":
      return known.filter((request) => request.id !== event.id);
  }
}

/** Nobody may have counted events before a snapshot: what was known of them ends with it. */
function heard(request: Told, now: number, passed: readonly Passed[] = []): Inflight {
  return { ...request, seen: now, passed: withPassed(passed, { at: now, events: request.events }) };
}

function byStart(a: Told, b: Told): number {
  return a.timestamp.localeCompare(b.timestamp) || Number(a.id) - Number(b.id);
}
