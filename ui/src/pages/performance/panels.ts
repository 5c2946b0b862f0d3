// Which charts there are, made from the samples.
import type { SystemStats } from "../../lib/api.gen";
import { coloursOf } from "../../lib/colours";
import { bytes, counted, decimal, percent } from "../../lib/format";
import { type GpuOf, type History, type Lines, gpuLines, gpusOf, interfacesOf, known, lines, modelLines, rate, tells } from "./samples";

export interface Series {
  label: string;
  /** 1 to 8, "other" for what is nobody's, "text" for the whole of it. */
  colour: number | "other" | "text";
  dashed?: boolean;
  /** It stands on those before it. */
  stacked?: boolean;
}

export interface Panel {
  id: string;
  title: string;
  /** Beside the title. */
  note?: string;
  /** Below the legend. */
  hint?: string;
  series: Series[];
  lines: Lines;
  /** How far the axis reaches; without it as far as the values. */
  top?: number;
  /** Steps of the axis are powers of two. */
  binary?: boolean;
  text: (value: number | null) => string;
}

const COLOURS = 8;
const BUSIEST = 4; // interfaces that are shown

const inPercent = (value: number | null): string => percent(value, value !== null && value > 0 && value < 10 ? 1 : 0);
const inMib = (value: number | null): string => bytes(value === null ? null : value * 1024 ** 2);
const perSecond = (value: number | null): string => (value === null ? bytes(null) : `${bytes(value)}/s`);
const inUnit = (unit: string) => (value: number | null): string => (value === null ? decimal(null) : `${decimal(value, 0)} ${unit}`);

function colour(index: number): { colour: number; dashed: boolean } {
  return { colour: (index % COLOURS) + 1, dashed: index >= COLOURS };
}

/** `nameOf`: a model's name, by its id. */
export function gpuPanels(history: History, every: number, nameOf: (model: string) => string): Panel[] {
  const gpus = gpusOf(history.gpus);
  if (!gpus.length) return [];
  const one = (id: string, title: string, field: Parameters<typeof gpuLines>[3], text: Panel["text"], more: Partial<Panel> = {}): Panel => ({
    id,
    title,
    series: gpus.map((gpu, index) => ({ label: labelOf(gpu, gpus), ...colour(index) })),
    lines: gpuLines(history.gpus, gpus, every, field),
    text,
    ...more,
  });
  const largest = Math.max(...gpus.map((gpu) => gpu.total ?? 0));
  return [
    one("gpu-use", "GPU utilisation", "gpu_util_pct", inPercent, { top: 100 }),
    one("gpu-memory", "GPU memory", "mem_used_mb", inMib, { binary: true, top: largest || undefined, note: largest ? `of ${inMib(largest)}${gpus.length > 1 ? " at most" : ""}` : undefined }),
    ...gpus.flatMap((gpu) => memoryByModel(history, gpu, gpus, every, nameOf)),
    one("gpu-temperature", "GPU temperature", "temp_c", inUnit("°C"), { top: 100 }),
    one("gpu-memory-temperature", "GPU memory temperature", "vram_temp_c", inUnit("°C"), { top: 110 }),
    one("gpu-power", "GPU power", "power_draw_w", inUnit("W")),
  ].filter((panel) => tells(panel.lines));
}

function memoryByModel(history: History, gpu: GpuOf, gpus: readonly GpuOf[], every: number, nameOf: (model: string) => string): Panel[] {
  const { models, times, values } = modelLines(history.gpus, history.shares, gpu.id, every);
  if (!models.length) return [];
  const colours = coloursOf(models);
  const used = values.at(-1)!;
  const held = values.slice(0, -1);
  const rest = used.map((all, at) => {
    const ours = held.map((line) => line[at] ?? null);
    return all === null || ours.some((value) => value === null) ? null : Math.max(0, all - ours.reduce<number>((sum, value) => sum + (value ?? 0), 0));
  });
  return [
    {
      id: `gpu-${gpu.id}-models`,
      title: gpus.length > 1 ? `Memory of GPU ${gpu.id} by model` : "GPU memory by model",
      hint: "Which model holds what is known since this page was opened.",
      series: [
        ...models.map((model): Series => ({ label: nameOf(model), colour: colours.get(model) ?? 1, stacked: true })),
        { label: "Everything else", colour: "other", stacked: true },
        { label: "Used", colour: "text" },
      ],
      lines: { times, values: [...held, rest, used] },
      top: gpu.total ?? undefined,
      binary: true,
      text: inMib,
    },
  ];
}

/** "H100 PCIe", or "GPU 1 · RTX 4090" where there are several: without the words that all cards of a maker share. */
function labelOf(gpu: GpuOf, gpus: readonly GpuOf[]): string {
  const name = gpu.name.replace(/^(NVIDIA|AMD|Intel(\(R\))?)\s+/, "").replace(/^(GeForce|Radeon)\s+/, "") || gpu.name;
  return gpus.length > 1 ? `GPU ${gpu.id} · ${name}` : name;
}

export function systemPanels(samples: readonly SystemStats[], every: number): Panel[] {
  const last = samples.at(-1);
  if (!last) return [];
  return [cpuPanel(samples, every), memoryPanel(samples, every, last), loadPanel(samples, every, last), networkPanel(samples, every)].filter((panel) => tells(panel.lines));
}

function memoryPanel(samples: readonly SystemStats[], every: number, last: SystemStats): Panel {
  const swap = known(last, "swap_total_mb");
  return {
    id: "memory",
    title: "Memory",
    note: `of ${inMib(last.mem_total_mb)}${swap ? `, swap of ${inMib(swap)}` : ""}`,
    series: [{ label: "Memory", ...colour(0) }, ...(swap ? [{ label: "Swap", ...colour(1), dashed: true }] : [])],
    lines: lines(samples, every, [
      (sample) => known(sample, "mem_used_mb"),
      ...(swap ? [(sample: SystemStats) => known(sample, "swap_used_mb")] : []),
    ]),
    top: Math.max(last.mem_total_mb, swap ?? 0),
    binary: true,
    text: inMib,
  };
}

function loadPanel(samples: readonly SystemStats[], every: number, last: SystemStats): Panel {
  const cores = last.cpu_util_per_core.length;
  return {
    id: "load",
    title: "Load average",
    note: counted(cores, "core"),
    series: ["1 minute", "5 minutes", "15 minutes"].map((label, index) => ({ label, ...colour(index) })),
    lines: lines(samples, every, (["load_avg_1", "load_avg_5", "load_avg_15"] as const).map((field) => (sample) => known(sample, field))),
    text: (value) => decimal(value, 2),
  };
}

function cpuPanel(samples: readonly SystemStats[], every: number): Panel {
  const cores = (sample: SystemStats): number[] => sample.cpu_util_per_core;
  const several = samples.some((sample) => cores(sample).length > 1);
  const of = (pick: (values: number[]) => number) => (sample: SystemStats): number | null => (cores(sample).length ? pick(cores(sample)) : null);
  const average = of((values) => values.reduce((sum, value) => sum + value, 0) / values.length);
  return {
    id: "cpu",
    title: "Processors",
    series: [
      { label: "Average", ...colour(0) },
      ...(several ? [{ label: "Busiest core", ...colour(2) }, { label: "Idlest core", ...colour(1), dashed: true }] : []),
    ],
    lines: lines(samples, every, [average, ...(several ? [of((values) => Math.max(...values)), of((values) => Math.min(...values))] : [])]),
    top: 100,
    text: inPercent,
  };
}

function networkPanel(samples: readonly SystemStats[], every: number): Panel {
  const names = interfacesOf(samples);
  const traffic = (name: string): number => {
    const last = samples.at(-1)?.net_io?.find((each) => each.name === name);
    return last ? last.bytes_recv + last.bytes_sent : 0;
  };
  const shown = [...names].sort((a, b) => traffic(b) - traffic(a)).slice(0, BUSIEST);
  return {
    id: "network",
    title: "Network",
    note: names.length > shown.length ? `the ${shown.length} busiest of ${names.length} interfaces` : undefined,
    series: shown.flatMap((name, index) => [
      { label: `${name} in`, ...colour(index) },
      { label: `${name} out`, ...colour(index), dashed: true },
    ]),
    lines: lines(samples, every, shown.flatMap((name) => (["bytes_recv", "bytes_sent"] as const).map((direction) => (sample: SystemStats, before?: SystemStats) => rate(sample, before, name, direction)))),
    binary: true,
    text: perSecond,
  };
}

/** The newest value of each core, and how it has been: for small charts. */
export function coresOf(samples: readonly SystemStats[]): number[][] {
  const many = samples.at(-1)?.cpu_util_per_core.length ?? 0;
  return Array.from({ length: many }, (_, core) => samples.flatMap((sample) => sample.cpu_util_per_core[core] ?? []));
}

