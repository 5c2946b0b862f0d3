// Asks for the samples while the page is looked at: everything once, from then on only what is new.
import type { Change, ModelDetailsList, TransitionPage } from "../../lib/api.gen";
import { get, query } from "../../lib/api";
import { every } from "../../lib/clock.svelte";
import { EMPTY, KEPT, type History, type PerformanceAnswer, type Source, merged, newest, newestOfAll, sharesOf } from "./samples";

export class Feed {
  history = $state.raw<History>(EMPTY);
  sources = $state.raw<readonly Source[]>([]);
  /** Seconds between two samples. */
  every = $state(5);
  hasAnswer = $state(false);
  isBusy = $state(false);
  error = $state.raw<unknown>(null);
  /** The model changes of the last hour; the stream tells the newest besides. */
  changes = $state.raw<readonly Change[]>([]);
  #generation = 0;

  /** For $effect: asks at once and every so many seconds (0: only at once), never while the page is hidden. */
  watch(seconds: number): () => void {
    if (!this.#generation) void this.#fetchChanges();
    this.#generation ||= 1;
    if (seconds) return every(seconds, () => this.refresh());
    void this.refresh();
    return () => {};
  }

  /** What is known may be of another process, or of a clock that was set since: everything is asked for again. */
  restart(): void {
    this.#generation += 1;
    this.history = EMPTY;
    this.isBusy = false;
    void this.refresh();
    void this.#fetchChanges();
  }

  async refresh(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    const generation = this.#generation;
    const after = newestOfAll(this.history);
    try {
      const [answer, models] = await Promise.all([get<PerformanceAnswer>(`api/performance${query({ after })}`), this.#models()]);
      if (generation !== this.#generation) return;
      const shares = models && sharesOf(models.models, Date.now());
      this.history = merged(shares ? { ...this.history, shares: [...this.history.shares, shares] } : this.history, answer);
      this.sources = answer.sources ?? [];
      this.every = answer.every ?? this.every;
      this.hasAnswer = true;
      this.error = null;
    } catch (error) {
      if (generation === this.#generation) this.error = error;
    } finally {
      if (generation === this.#generation) this.isBusy = false;
    }
  }

  /** Who holds GPU memory: told only where there are GPUs. */
  async #models(): Promise<ModelDetailsList | null> {
    if (!this.history.gpus.length && this.hasAnswer) return null;
    return get<ModelDetailsList>("api/models").catch(() => null);
  }

  async #fetchChanges(): Promise<void> {
    const after = (newest(this.history) || Date.now() / 1000) - KEPT;
    const page = await get<TransitionPage>(`api/transitions${query({ after, limit: 1000 })}`).catch(() => null);
    if (page) this.changes = page.transitions;
  }
}

