// How logs are looked at. What somebody may want to send on stands in the address, the rest is this browser's.
import { router } from "../../lib/router.svelte";
import { load, save } from "../../lib/storage";
import { type Level, LEVELS, compile } from "./lines";
import type { Wanted } from "./log_list";

const SIZES = [10, 11, 12, 13, 14, 16, 18]; // px

export class LogOptions {
  #wrap = $state(load("logs.wrap", true));
  #size = $state(load("logs.size", 12));
  paused = $state(false);
  readonly text = $derived(router.get("filter"));
  readonly expression = $derived(compile(this.text));
  readonly levels = $derived(router.all("level").filter((level): level is Level => LEVELS.includes(level as Level)));
  readonly own = $derived(router.get("own") === "1");
  readonly wanted: Wanted = $derived({ regex: this.expression.regex, levels: new Set(this.levels.length ? this.levels : LEVELS), own: this.own });

  get wrap(): boolean {
    return this.#wrap;
  }
  set wrap(wrap: boolean) {
    this.#wrap = wrap;
    save("logs.wrap", wrap);
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
    save("logs.size", this.#size);
  }

  /** No level chosen means all of them. */
  toggle(level: Level): void {
    const next = this.levels.includes(level) ? this.levels.filter((other) => other !== level) : [...this.levels, level];
    router.set({ level: next.length === LEVELS.length ? [] : next });
  }
}
