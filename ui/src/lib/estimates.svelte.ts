// How long a request that waits will still wait, as far as loads tell: of those under way the event `load` says every second how
// far they are, and what a model's loads take is asked for once.
import { untrack } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import { planOf } from "./actions";
import type { Change } from "./api.gen";
import { clock } from "./clock.svelte";
import { wholeDuration } from "./format";
import type { Inflight } from "./inflight";
import { live } from "./live.svelte";
import { isHeldUp, loadsUntil } from "./waiting";

/** Times in seconds; `estimate` null: it is the model's first load. `heard`: when, in ms by this browser's clock. */
interface Load {
  elapsed: number;
  estimate: number | null;
  heard: number;
}

class Estimates {
  readonly #underWay = new SvelteMap<string, Load>();
  /** The median of past loads; null: there was none, or it was not told yet. */
  readonly #usual = new SvelteMap<string, number | null>();

  constructor() {
    live.on("load", (data) => {
      const { model, state, elapsed, estimate } = data as Omit<Load, "heard"> & { model: string; state: string };
      if (state === "starting") this.#underWay.set(model, { elapsed, estimate, heard: Date.now() });
      else this.#underWay.delete(model);
    });
    live.on("transition", (data) => (data as Change).state === "ready" && this.#usual.delete((data as Change).model));
  }

  /** "about 6 s left", "then about 8 s to load", "then about 10 s to load 2 models", "at least 5 s to go"; "" where nobody can tell. */
  of(request: Inflight): string {
    if (request.phase === "loading") {
      const left = this.#left([request.model]);
      return left ? `about ${wholeDuration(left)} left` : "";
    }
    if (request.phase !== "queued") return "";
    const needed = loadsUntil(request, live.inflight, (id) => live.model(id)?.state === "ready");
    // While another one loads its rest comes first, and then its answers, of which nobody knows how long they take.
    const others = isHeldUp(request) ? this.#loading.filter((id) => !needed.includes(id)) : [];
    const left = this.#left([...others, ...needed]);
    if (!left) return "";
    return isHeldUp(request) ? `at least ${wholeDuration(left)} to go` : `then about ${wholeDuration(left)} to load${needed.length > 1 ? ` ${needed.length} models` : ""}`;
  }

  /** Seconds that the load has taken; null: none is under way, as far as this page was told. */
  elapsed(model: string): number | null {
    const load = live.model(model)?.state === "starting" ? this.#underWay.get(model) : undefined;
    return load ? load.elapsed + Math.max(0, clock.now - load.heard) / 1000 : null;
  }

  /** What the model's loads take, in seconds: their median. null: not known, or not yet. */
  usual(model: string): number | null {
    return this.#underWay.get(model)?.estimate ?? this.#usual.get(model) ?? null;
  }

  /** For $effect, while requests that wait are shown. `models`: those that they wait for; the loads of all that queue before them count, too. */
  learn(models: Iterable<string>): void {
    const before = live.inflight.filter(({ phase }) => phase === "queued").map(({ model }) => model);
    untrack(() => [...models, ...before].forEach((model) => void this.#ask(model)));
  }

  async #ask(model: string): Promise<void> {
    if (this.#usual.has(model)) return;
    this.#usual.set(model, null);
    const plan = await planOf(model);
    if (plan) this.#usual.set(model, plan.estimate_seconds);
    else this.#usual.delete(model); // the next who asks may have more luck
  }

  get #loading(): string[] {
    return [...this.#underWay.keys()].filter((model) => live.model(model)?.state === "starting");
  }

  /** Seconds until all of these are loaded, one after the other; null where one of them is not known. */
  #left(models: readonly string[]): number | null {
    let sum = 0;
    for (const model of models) {
      const usual = this.usual(model);
      if (usual === null) return null;
      sum += Math.max(0, usual - (this.elapsed(model) ?? 0));
    }
    return sum;
  }
}

export const estimates = new Estimates();
