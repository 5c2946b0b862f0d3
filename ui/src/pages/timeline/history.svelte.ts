// The changes of models and the finished requests of a stretch of time, fetched page by page and kept current by the stream.
import type { ActivityPage, ActivityRow, Change, TransitionPage } from "../../lib/api.gen";
import { get, isAbort, query } from "../../lib/api";
import { live } from "../../lib/live.svelte";
import { seconded } from "../activity/filters";
import type { Stretch } from "./lanes";

const PAGE = 1000; // changes
const PAGES = 4; // the server keeps 2000 changes
const REQUESTS = 999; // the newest: more ticks than that cannot be told apart

export class History {
  changes = $state.raw<readonly Change[]>([]);
  rows = $state.raw<readonly ActivityRow[]>([]);
  /** There were more requests than are shown. */
  isCut = $state(false);
  isLoading = $state(true);
  error = $state.raw<unknown>(null);
  #abort: AbortController | null = null;

  async load(stretch: Stretch): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const options = { signal: abort.signal };
    this.isLoading = true;
    try {
      const listing = query({ start: seconded(stretch.from * 1000), end: seconded((stretch.to + 1) * 1000), limit: REQUESTS, sort: "time" });
      const [changes, page] = await Promise.all([this.#changes(stretch.from, options), get<ActivityPage>(`api/metrics/activity${listing}`, options)]);
      this.changes = changes;
      this.rows = page.data;
      this.isCut = page.total > page.data.length;
      this.error = null;
    } catch (failed) {
      if (!isAbort(failed)) this.error = failed;
    }
    if (this.#abort === abort) this.isLoading = false;
  }

  /** From now on changes are added as they happen. Returns how to stop. */
  listen(): () => void {
    return live.on("transition", (change) => (this.changes = [...this.changes, change as Change]));
  }

  /** All since `from`: what came after the stretch tells how it ended. */
  async #changes(from: number, options: { signal: AbortSignal }): Promise<Change[]> {
    const found: Change[] = [];
    let before: number | null = null;
    for (let at = 0; at < PAGES; at += 1) {
      const page: TransitionPage = await get<TransitionPage>(`api/transitions${query({ after: from, before, limit: PAGE })}`, options);
      found.push(...page.transitions);
      before = page.next;
      if (before === null) break;
    }
    return found;
  }
}
