// The bars of memory: what of each device is whose. Sizes in the samples are in MiB, those of models in bytes.
import type { Segment } from "../../components/Bar.svelte";
import { bytes } from "../../lib/format";

export interface SystemSample {
  timestamp: string;
  mem_total_mb: number;
  mem_used_mb: number;
}

export interface GpuSample {
  timestamp: string;
  id: number;
  name: string;
  mem_total_mb: number;
  mem_used_mb: number;
}

export interface Samples {
  enabled: boolean;
  sys_stats: SystemSample[] | null;
  gpu_stats: GpuSample[] | null;
  /** Who was asked for GPUs. `problem`: why it tells of none. */
  sources?: { name: string; gpus: number; problem: string }[];
}

export interface ModelMemory {
  id: string;
  name: string;
  bytes: number;
  /** Its colour, 1 to 8. */
  series: number;
  href: string;
}

export interface MemoryBar {
  label: string;
  total: number;
  segments: Segment[];
  free: string;
}

const MIB = 1024 * 1024;

/** Models first, in their order, then what somebody else uses. */
export function bar(label: string, usedMb: number, totalMb: number, models: readonly ModelMemory[]): MemoryBar {
  const total = totalMb * MIB;
  const used = usedMb * MIB;
  const ours = models.reduce((sum, model) => sum + model.bytes, 0);
  const segments: Segment[] = models
    .filter((model) => model.bytes > 0)
    .map((model) => ({ label: model.name, value: model.bytes, text: bytes(model.bytes), series: model.series, href: model.href }));
  const other = used - ours;
  if (other > 0) segments.push({ label: ours ? "Other" : "In use", value: other, text: bytes(other), series: "other" });
  return { label, total, segments, free: `${bytes(Math.max(0, total - Math.max(used, ours)))} free` };
}

/** The newest sample of each GPU, by number. */
export function newest(samples: readonly GpuSample[]): GpuSample[] {
  const byId = new Map<number, GpuSample>();
  for (const sample of samples) byId.set(sample.id, sample);
  return [...byId.values()].sort((a, b) => a.id - b.id);
}
