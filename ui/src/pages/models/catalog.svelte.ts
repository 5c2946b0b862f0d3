// What the list is sorted and grouped by beside the models' state (GET /api/catalog): asked for while the list is looked at, and
// anew with the news of finished requests and of changes, but seldom.
import type { Catalog, CatalogEntry } from "../../lib/api.gen";
import { get } from "../../lib/api";
import { live } from "../../lib/live.svelte";
import { throttle } from "../../lib/throttle";

const SELDOM = 5000; // ms

export class CatalogStore {
  #byId = $state.raw<ReadonlyMap<string, CatalogEntry>>(new Map());

  of(id: string): CatalogEntry | undefined {
    return this.#byId.get(id);
  }

  /** For $effect: returns how to stop. */
  watch(): () => void {
    const { ask, stop } = throttle(SELDOM, () => void this.#ask());
    const seen = (): void => void (document.hidden || ask());
    const off = [live.on("activity", seen), live.on("transition", seen)];
    document.addEventListener("visibilitychange", seen);
    ask();
    return () => {
      stop();
      for (const each of off) each();
      document.removeEventListener("visibilitychange", seen);
    };
  }

  async #ask(): Promise<void> {
    try {
      const { models } = await get<Catalog>("api/catalog");
      this.#byId = new Map(models.map((entry) => [entry.id, entry]));
    } catch {
      // The banner tells of a lost connection; what was known stays.
    }
  }
}
