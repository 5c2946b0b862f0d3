// The newest samples of the machine's memory and its GPUs'. For $effect: `$effect(() => machine.watch())`.
import { get } from "../../lib/api";
import { every } from "../../lib/clock.svelte";
import { live } from "../../lib/live.svelte";
import { isFresh, snapshot } from "../../lib/snapshot";
import { type GpuSample, type Samples, type SystemSample, newest } from "./memory";

const OFTEN = 5; // seconds
const MARGIN = 500; // ms by which a timer may be early

export class Machine {
  system = $state.raw<SystemSample | null>(null);
  gpus = $state.raw<readonly GpuSample[]>([]);
  /** Everybody who was asked for GPUs has failed to tell of one. */
  hasNoGpu = $state(false);
  /** The server has said what there is, or that it does not measure. */
  isKnown = $state(false);
  #isOff = false;
  #last = "";
  #askedAt = 0;

  constructor() {
    if (!snapshot || !isFresh()) return;
    if (snapshot.performance) this.#show(snapshot.performance as Samples);
    this.isKnown = true;
  }

  watch(): () => void {
    if (live.connections) this.#isOff = false;
    return every(OFTEN, () => this.#ask());
  }

  #show(samples: Samples): void {
    this.system = samples.sys_stats?.at(-1) ?? this.system;
    if (samples.gpu_stats?.length) this.gpus = newest(samples.gpu_stats);
    this.hasNoGpu = !this.gpus.length && !!samples.sources?.some(({ problem }) => problem);
    this.#last = samples.sys_stats?.at(-1)?.timestamp ?? this.#last;
    this.#askedAt = Date.now();
  }

  async #ask(): Promise<void> {
    if (this.#isOff || !live.connections || Date.now() - this.#askedAt < OFTEN * 1000 - MARGIN) return;
    try {
      // Not the whole history: only what is new.
      const after = this.#last || new Date(Date.now() - 30_000).toISOString();
      this.#show(await get<Samples>(`api/performance?after=${encodeURIComponent(after)}`));
    } catch {
      this.#isOff = true; // not measured, or the connection is lost: asked again with the next one
    }
    this.isKnown = true;
  }
}
