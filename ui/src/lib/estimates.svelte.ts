// How long a request that waits will still wait, as far as past loads tell: the same on every page.
import { untrack } from "svelte";
import { planOf } from "./actions";
import { clock } from "./clock.svelte";
import { details } from "./details.svelte";
import { duration, wholeDuration } from "./format";
import type { Inflight } from "./inflight";
import { loadProgress } from "./load_progress";

const FRESH = 10_000; // ms for which an estimate is not asked for again

class Estimates {
  /** The median of past loads, in seconds, of models that are stopped: the details leave those out. */
  #usual = $state.raw<Readonly<Record<string, number | null>>>({});
  readonly #askedAt = new Map<string, number>();

  /** "about 6 s left", "then about 8.2 s to load"; "" where nobody can tell. */
  of(request: Inflight): string {
    const known = details.of(request.model);
    if (request.phase === "loading") {
      const left = known && loadProgress(known, details.at, clock.now)?.left;
      return left ? `about ${wholeDuration(left)} left` : "";
    }
    if (request.phase !== "queued") return "";
    const usual = known?.loads.median ?? this.#usual[request.model];
    return usual ? `then about ${duration(usual)} to load` : "";
  }

  /** For $effect, while such requests are shown. `models`: those that they wait for. */
  learn(models: Iterable<string>): void {
    for (const id of new Set(models)) {
      if (untrack(() => details.of(id)?.loads.median) || Date.now() - (this.#askedAt.get(id) ?? 0) < FRESH) continue;
      this.#askedAt.set(id, Date.now());
      void planOf(id).then((plan) => (this.#usual = { ...this.#usual, [id]: plan?.estimate_seconds ?? null }));
    }
  }
}

export const estimates = new Estimates();
