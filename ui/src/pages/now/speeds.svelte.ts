// How fast each model generated lately: what its last answer with figures tells. A server says so when an answer is complete.
import { untrack } from "svelte";
import type { ActivityRow } from "../../lib/api.gen";
import { get, query } from "../../lib/api";
import { live } from "../../lib/live.svelte";
import { throttle } from "../../lib/throttle";

const ROWS = 50; // the newest requests, of all models
const OFTEN = 2000; // ms

class Speeds {
  #byModel = $state.raw<Readonly<Record<string, number>>>({});

  /** Tokens per second; null where the last requests tell none. */
  of(model: string): number | null {
    return this.#byModel[model] ?? null;
  }

  /** For $effect: keeps them fresh until what it returns is called. `model`: only its own. With nothing loaded there is nothing
   * to ask. */
  watch(model?: string): () => void {
    const { ask, stop } = throttle(OFTEN, () => {
      if (!document.hidden && untrack(() => live.models.some(({ state }) => state === "ready"))) void this.#refresh(model);
    });
    const off = live.on("activity", ask);
    if (live.connections) ask();
    return () => (off(), stop());
  }

  async #refresh(model?: string): Promise<void> {
    try {
      const { data } = await get<{ data: readonly ActivityRow[] }>(`api/metrics/activity${query({ model, limit: ROWS })}`);
      const told = data.filter(({ tokens }) => tokens.tokens_per_second > 0).reverse(); // the newest comes first, and shall count
      this.#byModel = { ...this.#byModel, ...Object.fromEntries(told.map(({ model, tokens }) => [model, tokens.tokens_per_second])) };
    } catch {
      // The banner tells of a lost connection; what was known stays.
    }
  }
}

export const speeds = new Speeds();
