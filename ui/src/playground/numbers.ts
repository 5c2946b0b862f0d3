// The numbers of one answer. What the server measured goes before what this page measured.
import type { Heard, Timings, Tokens } from "./dialects";

/** Times in seconds, speeds in tokens per second; null: not known. */
export interface Numbers {
  prompt: number | null;
  cached: number | null;
  generated: number | null;
  prefill: number | null;
  decode: number | null;
  /** From the moment when the model could begin to the first token. */
  firstToken: number | null;
  /** In the queue and while the model was loaded. */
  wait: number | null;
  /** Part of `firstToken`: at the model's server, as for a slot. Only where the server tells how long it read the prompt. */
  server?: number | null;
  total: number;
  finish: string;
  /** The speeds were measured here, network and all. */
  isEstimate: boolean;
}

/** Moments in ms on one clock; null: it has not happened. */
export interface Moments {
  asked: number;
  /** The model was ready for it. */
  ready: number | null;
  first: number | null;
  /** The last token so far. */
  last: number | null;
  ended: number;
}

const ON_THE_WAY = 0.1; // seconds that a network or a busy browser takes; they are no wait

export function numbersOf(moments: Moments, tokens: Tokens, timings: Timings, finish: string): Numbers {
  const begun = moments.ready ?? moments.asked;
  const firstToken = moments.first === null ? null : Math.max(0, moments.first - begun) / 1000;
  const before = firstToken === null || timings.read === undefined ? null : firstToken - timings.read;
  const read = tokens.prompt === undefined ? null : tokens.prompt - (tokens.cached ?? 0);
  const said = moments.first === null || moments.last === null ? 0 : (moments.last - moments.first) / 1000;
  // The first token is there when the measuring begins.
  const decoded = tokens.generated !== undefined && tokens.generated > 1 && said > 0 ? (tokens.generated - 1) / said : null;
  return {
    prompt: tokens.prompt ?? null,
    cached: tokens.cached ?? null,
    generated: tokens.generated ?? null,
    prefill: timings.prefill ?? (read !== null && read > 0 && firstToken ? read / firstToken : null),
    decode: timings.decode ?? decoded,
    firstToken,
    wait: moments.ready === null ? null : Math.max(0, moments.ready - moments.asked) / 1000,
    server: before === null ? null : before > ON_THE_WAY ? before : 0,
    total: (moments.ended - moments.asked) / 1000,
    finish,
    isEstimate: timings.decode === undefined && (decoded !== null || firstToken !== null),
  };
}

/** All of the time before anybody read the prompt; null: not known. */
export function waited({ wait, server }: Numbers): number | null {
  return wait === null && server == null ? null : (wait ?? 0) + (server ?? 0);
}

/** Adds what an event said to what is known: later counts are truer. */
export function counted(tokens: Tokens, timings: Timings, heard: Heard): { tokens: Tokens; timings: Timings } {
  return { tokens: { ...tokens, ...heard.tokens }, timings: { ...timings, ...heard.timings } };
}

const FINISHES: Record<string, string> = {
  stop: "it was done",
  completed: "it was done",
  end_turn: "it was done",
  stop_sequence: "it met a stop text",
  length: "the most tokens were reached",
  max_tokens: "the most tokens were reached",
  max_output_tokens: "the most tokens were reached",
  tool_calls: "it wants to call a tool",
  tool_use: "it wants to call a tool",
  content_filter: "a filter ended it",
  stopped: "you stopped it",
};

/** Why an answer ended, in words. */
export function finishText(finish: string): string {
  return FINISHES[finish] ?? finish;
}

/** The `part`-th (0 to 1) of the values, null where there is none: the nearest rank, so it is always a value that was seen. */
export function percentile(values: readonly number[], part: number): number | null {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? null;
}
