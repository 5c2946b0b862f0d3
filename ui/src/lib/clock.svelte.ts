// The time, for everything that counts up or down. It stands still while nobody looks.

import { untrack } from "svelte";

class Clock {
  /** ms since the epoch, to the second. */
  now = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.now = Date.now();
    }, 1000);
    document.addEventListener("visibilitychange", () => (this.now = Date.now()));
  }
}

export const clock = new Clock();

/** Calls `ask` at once and then every `seconds` while the page is looked at. For $effect: returns how to stop. */
export function every(seconds: number, ask: () => unknown): () => void {
  const tick = (): void => {
    if (!document.hidden) untrack(ask); // what is read while asking starts nothing anew
  };
  tick();
  const timer = setInterval(tick, seconds * 1000);
  document.addEventListener("visibilitychange", tick);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", tick);
  };
}
