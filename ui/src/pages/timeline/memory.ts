// How much memory was used over a stretch of time: of each GPU, or of the machine where no GPU tells.
import type { History } from "../performance/samples";
import { gpusOf, known, lines, time } from "../performance/samples";
import { type Stretch, percent } from "./lanes";

/** Sizes in MiB. */
export interface Curve {
  label: string;
  total: number;
  /** In order of time; null: a gap. */
  points: readonly { at: number; used: number | null }[];
}

/** `every`: seconds between samples. Without a sample in the stretch there is no curve. */
export function curves(history: History, stretch: Stretch, every: number): Curve[] {
  const inside = <T extends { timestamp: string }>(samples: readonly T[]): T[] =>
    samples.filter((sample) => time(sample) >= stretch.from - every && time(sample) <= stretch.to);
  const gpus = gpusOf(history.gpus).filter(({ total }) => total);
  const found = gpus.map((gpu): Curve => {
    const told = lines(inside(history.gpus.filter(({ id }) => id === gpu.id)), every, [(sample) => known(sample, "mem_used_mb")]);
    return { label: gpus.length > 1 ? `GPU ${gpu.id}` : "GPU memory", total: gpu.total ?? 0, points: pointsOf(told) };
  });
  if (!found.length) {
    const told = lines(inside(history.system), every, [(sample) => known(sample, "mem_used_mb")]);
    found.push({ label: "RAM", total: history.system.at(-1)?.mem_total_mb ?? 0, points: pointsOf(told) });
  }
  return found.filter(({ total, points }) => total > 0 && points.some(({ used }) => used !== null));
}

function pointsOf(told: { times: number[]; values: (number | null)[][] }): Curve["points"] {
  return told.times.map((at, index) => ({ at, used: told.values[0]?.[index] ?? null }));
}

/** The line, and the area below it, as SVG paths on a field of 100 x 100. */
export function paths({ points, total }: Curve, stretch: Stretch): { line: string; area: string } {
  let [line, area, first, last] = ["", "", "", ""];
  const close = (): void => {
    if (last) area += `L${last} 100L${first} 100Z`;
    last = "";
  };
  for (const { at, used } of points) {
    if (used === null) {
      close();
      continue;
    }
    const [x, y] = [percent(at, stretch).toFixed(2), (100 - Math.min(100, (used / total) * 100)).toFixed(2)];
    const step = `${last ? "L" : "M"}${x} ${y}`;
    if (!last) first = x;
    line += step;
    area += step;
    last = x;
  }
  close();
  return { line, area };
}

/** The newest value at or before a time, as long as no gap lies between; null: it is not known. */
export function usedAt(curve: Curve, at: number): number | null {
  return curve.points.findLast((point) => point.at <= at)?.used ?? null;
}
