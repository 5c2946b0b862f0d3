// Where the time of a finished request went.
import type { ActivityRow } from "../../lib/api.gen";

export type PartId = "queue" | "load" | "server" | "prefill" | "decode" | "rest";

export interface Part {
  id: PartId;
  label: string;
  ms: number;
}

export const LABELS: Record<PartId, string> = { queue: "in the queue", load: "loading the model", server: "waiting at its server", prefill: "reading the prompt", decode: "answering", rest: "other" };

/** In order; only what took time. Empty where the server did not measure it (rows of another program). What the engine tells
 * of itself counts; a stream without such figures is split at its first token. What is left before the first token of a stream
 * with them the request waited at the server, as for a slot. */
export function parts(row: ActivityRow): Part[] {
  const timing = row.timing;
  if (!timing) return [];
  const queue = known(timing.queue_ms);
  const load = known(timing.load_ms);
  const rest = Math.max(0, row.duration_ms - queue - load);
  const told = timing.prefill_ms >= 0 || timing.decode_ms >= 0;
  const isStream = row.resp_content_type.startsWith("text/event-stream");
  let prefill = known(timing.prefill_ms);
  let decode = known(timing.decode_ms);
  if (!told && isStream && timing.first_token_ms >= 0) {
    prefill = Math.max(0, timing.first_token_ms - queue - load);
    decode = Math.max(0, row.duration_ms - timing.first_token_ms);
  }
  const toFirst = isStream && timing.prefill_ms >= 0 ? known(timing.first_token_ms) : 0;
  const scale = prefill + decode > rest && prefill + decode > 0 ? rest / (prefill + decode) : 1;
  const others = Math.max(0, rest - (prefill + decode) * scale);
  const server = Math.min(others, Math.max(0, toFirst - queue - load - prefill * scale));
  const found: [PartId, number][] = [
    ["queue", queue],
    ["load", load],
    ["server", server],
    ["prefill", prefill * scale],
    ["decode", decode * scale],
    ["rest", others - server],
  ];
  return found.filter(([, ms]) => ms >= 0.5).map(([id, ms]) => ({ id, label: LABELS[id], ms }));
}

/** When a request began and ended, in ms since the epoch: as exact as the server knows. */
export function span(row: ActivityRow): { from: number; to: number } {
  const to = row.timing?.ended_ms ?? Date.parse(row.timestamp);
  return { from: to - row.duration_ms, to };
}

function known(ms: number): number {
  return ms > 0 ? ms : 0;
}
