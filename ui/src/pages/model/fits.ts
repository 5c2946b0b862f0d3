// Whether a model that is not loaded would fit into the memory that is free now: by what its last run was seen to hold, and
// with what would be given back by those who would have to go. All sizes in bytes but those of samples, which are in MiB.
import type { ModelMemory, ModelRun } from "../../lib/api.gen";
import type { GpuSample, SystemSample } from "../now/memory";

const MIB = 1024 * 1024;

export interface Fit {
  device: string;
  needs: number;
  /** With what would be given back. */
  free: number;
  fits: boolean;
}

/** By device, as far as both sides are known; empty where nothing is. `leaving`: the runs that would be stopped. */
export function fits(memory: ModelMemory, system: SystemSample | null, gpus: readonly GpuSample[], leaving: readonly ModelRun[]): Fit[] {
  const found: Fit[] = [];
  if (system && system.mem_total_mb > 0) {
    const back = sum(leaving.map((run) => run.memory_bytes));
    found.push(fit("RAM", memory.peak_bytes, system.mem_total_mb, system.mem_used_mb, back));
  }
  for (const peak of memory.gpu_peaks) {
    const gpu = gpus.find(({ id }) => id === peak.id);
    if (!gpu || gpu.mem_total_mb <= 0 || peak.memory_bytes === null) continue;
    const back = sum(leaving.map((run) => run.gpu_memory?.find(({ id }) => id === peak.id)?.memory_bytes));
    found.push(fit(gpus.length > 1 ? `GPU ${gpu.id}: ${gpu.name}` : gpu.name, peak.memory_bytes, gpu.mem_total_mb, gpu.mem_used_mb, back));
  }
  return found;
}

function fit(device: string, needs: number, totalMb: number, usedMb: number, back: number): Fit {
  const free = Math.min(totalMb * MIB, Math.max(0, totalMb - usedMb) * MIB + back);
  return { device, needs, free, fits: needs <= free };
}

function sum(values: readonly (number | null | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}
