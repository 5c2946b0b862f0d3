// Where a line is, for an address: `<ms>` is the first line of that time, `<ms>-2` the third.

export interface Placed {
  /** In ms since the epoch; null: unknown. */
  at: number | null;
}

/** "" where the line's time is unknown. */
export function place(lines: readonly Placed[], index: number): string {
  const at = lines[index]?.at;
  if (at == null) return "";
  let nth = 0;
  for (let before = index - 1; lines[before]?.at === at; before -= 1) nth += 1;
  return nth ? `${at}-${nth}` : String(at);
}

/** The index of the line at a place; where there is none of just that time, of the next one. -1: it was before all that is kept, after
 * all, or is no place. */
export function placed(lines: readonly Placed[], wanted: string): number {
  const found = /^(\d{1,16})(?:-(\d{1,6}))?$/.exec(wanted);
  const times = lines.flatMap(({ at }) => at ?? []);
  if (!found || !times.length || Number(found[1]) < Math.min(times[0]!, times.at(-1)!)) return -1;
  const ms = Number(found[1]);
  const first = lines.findIndex(({ at }) => at !== null && at >= ms);
  let index = first;
  for (let left = Number(found[2] ?? 0); left > 0 && first >= 0 && lines[index + 1]?.at === ms; left -= 1) index += 1;
  return index;
}
