// How long loads take: of those under way the event `load` tells it every second, and what a model usually takes is asked for once.
import { SvelteMap } from "svelte/reactivity";
import { get, inPath } from "./api";
import type { Change, ModelDetails } from "./api.gen";
import { live } from "./live.svelte";

/** Times in seconds; `estimate` null: it is the model's first load. `heard`: when, in ms by this browser's clock. */
interface Load {
  elapsed: number;
  estimate: number | null;
  heard: number;
}

class Loads {
  readonly #underWay = new SvelteMap<string, Load>();
  readonly #usual = new SvelteMap<string, number | null>();

  constructor() {
    live.on("load", (data) => {
      const { model, state, elapsed, estimate } = data as Omit<Load, "heard"> & { model: string; state: string };
      if (state === "starting") this.#underWay.set(model, { elapsed, estimate, heard: Date.now() });
      else this.#underWay.delete(model);
    });
    live.on("transition", (data) => (data as Change).state === "ready" && this.#usual.delete((data as Change).model));
  }

  /** Seconds that the load has taken by `now` (ms); null: none is under way, as far as this page was told. */
  elapsed(model: string, now: number): number | null {
    const load = live.model(model)?.state === "starting" ? this.#underWay.get(model) : undefined;
    return load ? load.elapsed + Math.max(0, now - load.heard) / 1000 : null;
  }

  /** What the model's loads take, in seconds: their median. null: not known, or not yet (`ask`). */
  usual(model: string): number | null {
    return this.#underWay.get(model)?.estimate ?? this.#usual.get(model) ?? null;
  }

  /** Seconds until all of these are loaded, one after the other; null where one of them is not known. */
  left(models: readonly string[], now: number): number | null {
    let sum = 0;
    for (const model of models) {
      const usual = this.usual(model);
      if (usual === null) return null;
      sum += Math.max(0, usual - (this.elapsed(model, now) ?? 0));
    }
    return sum;
  }

  /** The names of models whose load is under way. */
  get underWay(): string[] {
    return [...this.#underWay.keys()].filter((model) => live.model(model)?.state === "starting");
  }

  /** Finds out what these usually take. */
  ask(models: readonly string[]): void {
    for (const model of models) {
      if (this.#usual.has(model)) continue;
      this.#usual.set(model, null);
      get<ModelDetails>(`api/models/${inPath(model)}`).then(
        (details) => this.#usual.set(model, details.loads.median),
        () => this.#usual.delete(model),
      );
    }
  }
}

export const loads = new Loads();
