// How logs are looked at. What somebody may want to send on stands in the address, the rest is this browser's.
import { SvelteMap } from "svelte/reactivity";
import { router } from "../../lib/router.svelte";
import { load, save } from "../../lib/storage";
import { type Level, LEVELS, compile } from "./lines";
import type { Wanted } from "./log_list";

const SIZES = [10, 11, 12, 13, 14, 16, 18]; // px

export class LogOptions {
  readonly #keptAs: string;
  #wrap = $state(true);
  #size = $state(12);
  #hasTimes = $state(true);
  paused = $state(false);
  readonly text = $derived(router.get("filter"));
  readonly expression = $derived(compile(this.text));
  readonly levels = $derived(router.all("level").filter((level): level is Level => LEVELS.includes(level as Level)));
  readonly withNoise = $derived(router.get("noise") === "1");
  /** Lines of probes and of this page's requests, by log. */
  readonly #noise = new SvelteMap<string, number>();
  /** Where several logs are shown as one. None chosen means all of them. */
  readonly sources = $derived(router.all("source").filter((source) => source === "proxy" || source === "upstream"));
  readonly models = $derived([...router.all("model"), ...router.all("source").filter((source) => source !== "proxy" && source !== "upstream")]);
  readonly wanted: Wanted = $derived({
    regex: this.expression.regex,
    levels: new Set(this.levels.length ? this.levels : LEVELS),
    withNoise: this.withNoise,
    sources: new Set(this.sources),
    models: new Set(this.models),
  });

  /** `keptAs`: under which name this browser keeps them. */
  constructor(keptAs = "logs") {
    this.#keptAs = keptAs;
    this.#wrap = load(`${keptAs}.wrap`, true);
    this.#size = load(`${keptAs}.size`, 12);
    this.#hasTimes = load(`${keptAs}.times`, !matchMedia("(max-width: 760px)").matches);
  }

  get wrap(): boolean {
    return this.#wrap;
  }
  set wrap(wrap: boolean) {
    this.#wrap = wrap;
    save(`${this.#keptAs}.wrap`, wrap);
  }

  /** Whether lines have their time beside them. */
  get hasTimes(): boolean {
    return this.#hasTimes;
  }
  set hasTimes(hasTimes: boolean) {
    this.#hasTimes = hasTimes;
    save(`${this.#keptAs}.times`, hasTimes);
  }

  /** In all logs that are shown. */
  get noise(): number {
    return [...this.#noise.values()].reduce((sum, each) => sum + each, 0);
  }

  /** A log that is shown tells how many it has; null: it is shown no longer. */
  tellNoise(log: string, many: number | null): void {
    if (many === null) this.#noise.delete(log);
    else this.#noise.set(log, many);
  }

  get size(): number {
    return this.#size;
  }

  get canShrink(): boolean {
    return this.#size > (SIZES[0] ?? 0);
  }
  get canGrow(): boolean {
    return this.#size < (SIZES.at(-1) ?? 0);
  }

  resize(by: 1 | -1): void {
    const at = Math.max(0, SIZES.findIndex((size) => size >= this.#size));
    this.#size = SIZES[Math.min(SIZES.length - 1, Math.max(0, at + by))] ?? 12;
    save(`${this.#keptAs}.size`, this.#size);
  }

  /** No level chosen means all of them. */
  toggle(level: Level): void {
    const next = toggled(this.levels, level);
    router.set({ level: next.length === LEVELS.length ? [] : next });
  }

  toggleSource(source: string): void {
    const next = toggled(this.sources, source);
    router.set({ source: next.length === 2 ? [] : next, model: this.models });
  }

  toggleModel(model: string): void {
    router.set({ source: this.sources, model: toggled(this.models, model) });
  }
}

function toggled<T>(all: readonly T[], one: T): T[] {
  return all.includes(one) ? all.filter((other) => other !== one) : [...all, one];
}
