// What a run holds of memory, in bytes, as far as it is known.
import type { ModelRun } from "./api.gen";

type Holding = Pick<ModelRun, "memory_bytes" | "gpu_memory">;

/** Of all GPUs together; null where no driver tells. */
export function ofGpus(run: Holding): number | null {
  const told = (run.gpu_memory ?? []).flatMap((share) => (share.memory_bytes === null ? [] : [share.memory_bytes]));
  return told.length ? told.reduce((sum, each) => sum + each, 0) : null;
}

/** RAM and GPUs together; null where nothing is known. */
export function inAll(run: Holding): number | null {
  const gpus = ofGpus(run);
  return gpus === null ? run.memory_bytes : gpus + (run.memory_bytes ?? 0);
}
