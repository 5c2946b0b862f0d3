// Every model that is loaded, moving or failed, in detail (GET /api/models): asked for while somebody looks, every two seconds
// and after each change.
import type { Change, ModelDetails, ModelDetailsList, ModelStatus } from "./api.gen";
import { get } from "./api";
import { every } from "./clock.svelte";
import { live } from "./live.svelte";
import { snapshot } from "./snapshot";

const OFTEN = 2; // seconds
const FRESH = 1000; // ms

class DetailsStore {
  /** The models that requests wait for. */
  readonly wanted = $derived(new Set(live.inflight.filter(({ phase }) => phase === "queued" || phase === "loading").map(({ model }) => model)));
  /** The models that answer requests. */
  readonly busy = $derived(new Set(live.inflight.filter(({ phase }) => phase === "prefill" || phase === "streaming").map(({ model }) => model)));
  #byId = $state.raw(byId(snapshot?.details));
  /** When the details were told, in ms. Times in them count on from here. */
  at = $state(snapshot ? Date.now() : 0);
  /** Asked once, whatever came of it. */
  hasAny = $state(snapshot !== null);

  of(id: string): ModelDetails | undefined {
    return this.#byId.get(id);
  }

  /** For $effect: keeps the details fresh until what it returns is called. */
  watch(): () => void {
    const stop = every(OFTEN, () => Date.now() - this.at >= FRESH && this.refresh());
    const off = live.on("transition", () => this.#soon());
    return () => {
      stop();
      off();
    };
  }

  /** Changes come in bursts. */
  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.refresh();
    }, 100);
  }
  #timer: ReturnType<typeof setTimeout> | undefined;

  async refresh(): Promise<void> {
    try {
      this.#byId = byId(await get<ModelDetailsList>("api/models"));
      this.at = Date.now();
    } catch {
      // The banner tells of a lost connection; what was known stays.
    }
    this.hasAny = true;
  }

  /** Why the last run of a model that is stopped came to a bad end; null where it did not. */
  failure(model: ModelStatus): Change | null {
    const changes = live.transitions.filter((change) => change.model === model.id);
    if (model.state !== "stopped") return null;
    const last = changes.find((change) => change.state !== "stopped");
    if (last) return isFailure(last) ? last : null;
    return this.of(model.id)?.last_error ?? null;
  }
}

function byId(list: ModelDetailsList | undefined): ReadonlyMap<string, ModelDetails> {
  return new Map(list?.models.map((model) => [model.id, model]));
}

/** A server's failure, not somebody's wish. */
export function isFailure(change: Change): boolean {
  return change.reason === "start_failed" || change.reason === "crashed";
}

/** As the server says, but for three words of ours: "answering" while requests are served, "queued" while one waits for it to be
 * loaded, "failed" until the next load. */
export function shownState(model: ModelStatus): string {
  if (model.state === "ready" && details.busy.has(model.id)) return "answering";
  if (model.state === "stopped" && details.wanted.has(model.id)) return "queued";
  return details.failure(model) ? "failed" : model.state;
}

export const details = new DetailsStore();
