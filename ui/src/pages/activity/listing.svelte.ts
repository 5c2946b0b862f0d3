// One page of finished requests and what they sum up to, as the address asks for it.
//
// A new page is asked for when the question changes, and with the news of finished requests: at most once a second, and only
// while the first page is shown, since later ones would shift under the reader.
import type { ActivityPage, ActivityRow, Statistics } from "../../lib/api.gen";
import { get, isAbort, query } from "../../lib/api";

export type Question = Record<string, string | number | readonly string[]>;

export class Listing {
  page = $state.raw<ActivityPage | null>(null);
  statistics = $state.raw<Statistics | null>(null);
  error = $state.raw<unknown>(null);
  isLoading = $state(false);
  #abort: AbortController | null = null;

  /** What was shown stays until the answer is there. */
  async ask(listing: Question, statistics: Question | null): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const options = { signal: abort.signal };
    this.isLoading = true;
    try {
      const [page, sums] = await Promise.all([
        get<ActivityPage>(`api/metrics/activity${query(listing)}`, options),
        statistics ? get<Statistics>(`api/metrics/stats${query(statistics)}`, options) : null,
      ]);
      this.page = page;
      this.statistics = sums;
      this.error = null;
    } catch (failed) {
      if (!isAbort(failed)) this.error = failed;
    } finally {
      if (this.#abort === abort) this.isLoading = false;
    }
  }

  stop(): void {
    this.#abort?.abort();
  }
}

/** One finished request; null where there is none (any more). */
export async function rowOf(id: number): Promise<ActivityRow | null> {
  const page = await get<ActivityPage>(`api/metrics/activity${query({ min_id: id, max_id: id, limit: 1 })}`);
  return page.data[0] ?? null;
}
