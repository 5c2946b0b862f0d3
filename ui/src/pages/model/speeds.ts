// How fast a model was, request by request.
import type { ActivityRow } from "../../lib/api.gen";

export interface Speeds {
  /** Tokens per second of each request that tells, the oldest first; `at` counts them. */
  points: { at: number; value: number }[];
  median: number | null;
}

/** `rows`: the newest first. */
export function speeds(rows: readonly ActivityRow[], of: "prompt_per_second" | "tokens_per_second"): Speeds {
  const told = rows.map(({ tokens }) => tokens[of]).filter((value) => value > 0).reverse();
  const sorted = [...told].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return { points: told.map((value, at) => ({ at, value })), median: sorted.length ? (median ?? null) : null };
}
