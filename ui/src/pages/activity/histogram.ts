// The geometry of a histogram, from 0 to 1 in both directions.
import type { Histogram } from "../../lib/api.gen";

export interface Bar {
  from: number;
  to: number;
  count: number;
  /** Of the highest bar. */
  height: number;
}

export function bars(histogram: Histogram): Bar[] {
  const highest = Math.max(...histogram.bins, 1);
  return histogram.bins.map((count, at) => ({
    from: histogram.min + at * histogram.binSize,
    to: histogram.binSize ? histogram.min + (at + 1) * histogram.binSize : histogram.max,
    count,
    height: count / highest,
  }));
}

/** Where a value stands. All values may be the same: then they stand in the middle. */
export function place(histogram: Histogram, value: number): number {
  const width = histogram.max - histogram.min;
  if (!(width > 0)) return 0.5;
  return Math.min(1, Math.max(0, (value - histogram.min) / width));
}
