// What is drawn of a panel: values that stand on each other, and how far its axis reaches.
import type { Panel } from "./panels";

/** The values as they are drawn: those of a stack stand on the ones below. */
export function drawnValues(panel: Panel): (number | null)[][] {
  let below: (number | null)[] | null = null;
  return panel.lines.values.map((line, index) => {
    if (!panel.series[index]?.stacked) return line;
    const onto: (number | null)[] | null = below;
    below = line.map((value, at) => (value === null ? null : value + (onto?.[at] ?? 0)));
    return below;
  });
}

/** How far the axis reaches when nothing says so: a little beyond the largest value, on a round number. */
export function roundTop(largest: number, binary: boolean): number {
  if (!(largest > 0)) return 1;
  const aim = largest * 1.1;
  if (binary) return 2 ** Math.ceil(Math.log2(aim));
  const step = 10 ** Math.floor(Math.log10(aim));
  return [1, 2, 2.5, 5, 10].map((many) => many * step).find((top) => top >= aim)!;
}
