// What /api/performance tells, kept for an hour and turned into lines. What is not known is null, a gap, and never 0.
import type { GpuStats, ModelDetails, SystemStats } from "../../lib/api.gen";

export interface Source {
  name: string;
  gpus: number;
  problem: string;
}

/** The lists are null before the first sample. `every`: seconds between samples. */
export interface PerformanceAnswer {
  enabled: boolean;
  every: number;
  gpu_stats: GpuStats[] | null;
  sys_stats: SystemStats[] | null;
  sources: Source[];
}

/** What the models held of each GPU's memory when the page asked: MiB by model, by the GPU's id. */
export interface Shares {
  /** ms since the epoch. */
  at: number;
  byGpu: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

export interface History {
  system: readonly SystemStats[];
  gpus: readonly GpuStats[];
  shares: readonly Shares[];
}

export const EMPTY: History = { system: [], gpus: [], shares: [] };
export const KEPT = 3600; // seconds, as long as the server remembers

/** Lines over common times. `times`: seconds since the epoch. */
export interface Lines {
  times: number[];
  values: (number | null)[][];
}

export function time(sample: { timestamp: string }): number {
  return Date.parse(sample.timestamp) / 1000;
}

/** The history with what came since, without what is older than an hour. */
export function merged(history: History, answer: PerformanceAnswer): History {
  const system = newer(history.system, answer.sys_stats ?? []);
  const gpus = newer(history.gpus, answer.gpu_stats ?? []);
  const from = newest({ system, gpus, shares: [] }) - KEPT;
  return {
    system: system.filter((sample) => time(sample) > from),
    gpus: gpus.filter((sample) => time(sample) > from),
    shares: history.shares.filter((each) => each.at / 1000 > from),
  };
}

/** Answers that cross each other tell the same sample twice. */
function newer<T extends { timestamp: string }>(known: readonly T[], told: readonly T[]): readonly T[] {
  const last = known.at(-1);
  return last ? [...known, ...told.filter((sample) => time(sample) > time(last))] : told;
}

/** When the newest sample was taken, in seconds since the epoch; 0: there is none. */
export function newest(history: History): number {
  return Math.max(0, ...[history.system.at(-1), history.gpus.at(-1)].map((sample) => (sample ? time(sample) : 0)));
}

/** What to ask for as `after`: the two kinds of samples are taken apart from each other, so the older one's newest. */
export function newestOfAll(history: History): string {
  const last = [history.system.at(-1), history.gpus.at(-1)].flatMap((sample) => (sample ? [sample.timestamp] : []));
  return last.sort()[0] ?? "";
}

type Numeric<T> = { [Key in keyof T]: T[Key] extends number ? Key : never }[keyof T] & string;

/** A field of a sample; null where the source does not tell. */
export function known<T extends SystemStats | GpuStats>(sample: T, field: Numeric<T>): number | null {
  return sample.unknown?.includes(field) ? null : (sample[field] as number);
}

/** One line per reader; a gap where samples are missing (`every`: seconds between two of them). */
export function lines<T extends { timestamp: string }>(
  samples: readonly T[],
  every: number,
  readers: readonly ((sample: T, before: T | undefined) => number | null)[],
): Lines {
  const times: number[] = [];
  const values: (number | null)[][] = readers.map(() => []);
  let before: T | undefined;
  for (const sample of samples) {
    const at = time(sample);
    if (before && isGap(time(before), at, every)) {
      times.push(time(before) + every);
      for (const line of values) line.push(null);
      before = undefined;
    }
    times.push(at);
    readers.forEach((read, index) => values[index]?.push(read(sample, before)));
    before = sample;
  }
  return { times, values };
}

function isGap(from: number, to: number, every: number): boolean {
  return to - from > 2.5 * every;
}

export interface GpuOf {
  id: number;
  name: string;
  /** MiB; null where nobody tells. */
  total: number | null;
}

/** Every GPU of the history, by number. */
export function gpusOf(samples: readonly GpuStats[]): GpuOf[] {
  const found = new Map<number, GpuOf>();
  for (const sample of samples) found.set(sample.id, { id: sample.id, name: sample.name, total: known(sample, "mem_total_mb") || null });
  return [...found.values()].sort((a, b) => a.id - b.id);
}

/** A line per GPU of what `field` says. Samples of one moment have one time. */
export function gpuLines(samples: readonly GpuStats[], gpus: readonly GpuOf[], every: number, field: Numeric<GpuStats>): Lines {
  const moments = new Map<string, Map<number, GpuStats>>();
  for (const sample of samples) {
    const moment = moments.get(sample.timestamp) ?? new Map<number, GpuStats>();
    moments.set(sample.timestamp, moment.set(sample.id, sample));
  }
  const rows = [...moments].map(([timestamp, byId]) => ({ timestamp, byId }));
  return lines(rows, every, gpus.map(({ id }) => ({ byId }) => {
    const sample = byId.get(id);
    return sample ? known(sample, field) : null;
  }));
}

/** Whether any value is known at all. */
export function tells(found: Lines): boolean {
  return found.values.some((line) => line.some((value) => value !== null));
}

/** Bytes per second of an interface between two samples; null where its counter began anew. */
export function rate(sample: SystemStats, before: SystemStats | undefined, name: string, direction: "bytes_recv" | "bytes_sent"): number | null {
  const now = sample.net_io?.find((each) => each.name === name);
  const then = before?.net_io?.find((each) => each.name === name);
  if (!now || !then || !before) return null;
  const seconds = time(sample) - time(before);
  const moved = now[direction] - then[direction];
  return seconds > 0 && moved >= 0 ? moved / seconds : null;
}

/** The interfaces over which something went. */
export function interfacesOf(samples: readonly SystemStats[]): string[] {
  const names = new Set(samples.flatMap((sample) => (sample.net_io ?? []).filter((each) => each.bytes_recv + each.bytes_sent > 0).map((each) => each.name)));
  return [...names].sort();
}

/** Null where no model's share of any GPU is told. */
export function sharesOf(models: readonly ModelDetails[], at: number): Shares | null {
  const byGpu = new Map<number, Map<string, number>>();
  let isTold = false;
  for (const { id, run } of models) {
    for (const gpu of run?.gpu_memory ?? []) {
      if (gpu.memory_bytes === null) continue;
      isTold = true;
      byGpu.set(gpu.id, (byGpu.get(gpu.id) ?? new Map<string, number>()).set(id, gpu.memory_bytes / 1024 ** 2));
    }
    if (run?.gpu_memory) isTold = true;
  }
  return isTold ? { at, byGpu } : null;
}

/** What each model held of a GPU when its samples were taken: the share that was told next to it, null where none was. */
export function modelLines(samples: readonly GpuStats[], shares: readonly Shares[], gpu: number, every: number): Lines & { models: string[] } {
  const models = [...new Set(shares.flatMap((each) => [...(each.byGpu.get(gpu)?.keys() ?? [])]))].sort();
  const used = samples.filter((sample) => sample.id === gpu);
  let next = 0;
  const near = used.map((sample) => {
    const at = time(sample) * 1000;
    while (next + 1 < shares.length && Math.abs(shares[next + 1]!.at - at) <= Math.abs(shares[next]!.at - at)) next += 1;
    const found = shares[next];
    return found && Math.abs(found.at - at) <= 1500 * every ? found : null;
  });
  const rows = used.map((sample, index) => ({ timestamp: sample.timestamp, sample, told: near[index] ?? null }));
  const found = lines(rows, every, [
    ...models.map((model) => ({ told }: (typeof rows)[number]) => (told ? (told.byGpu.get(gpu)?.get(model) ?? 0) : null)),
    ({ sample }: (typeof rows)[number]) => known(sample, "mem_used_mb"),
  ]);
  return { ...found, models };
}

/** The part of `lines` from a time on; one more point before it, so that lines come in from the edge. */
export function since(found: Lines, from: number): Lines {
  let first = found.times.findIndex((at) => at >= from);
  if (first < 0) first = found.times.length;
  first = Math.max(0, first - 1);
  return { times: found.times.slice(first), values: found.values.map((line) => line.slice(first)) };
}
