// How far a load is: by the median of the past ones.
import type { ModelDetails } from "./api.gen";

export interface LoadProgress {
  /** Seconds since it began. */
  elapsed: number;
  /** 0 to 1; null before the first load that succeeded, when nobody can tell. It stays below 1: only the server knows the end. */
  part: number | null;
  /** Seconds; 0 when it takes longer than usual. */
  left: number | null;
}

/** `toldAt` and `now` in ms. */
export function loadProgress(model: ModelDetails, toldAt: number, now: number): LoadProgress | null {
  if (!model.run) return null;
  const elapsed = model.run.uptime + Math.max(0, now - toldAt) / 1000;
  const usual = model.loads.median;
  if (!usual) return { elapsed, part: null, left: null };
  return { elapsed, part: Math.min(0.98, elapsed / usual), left: Math.max(0, usual - elapsed) };
}
