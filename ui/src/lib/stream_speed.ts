// How fast streams run just now, of what the event `inflight` counts: an estimate, as an event is about a token.

/** `events` had passed at `at`, in ms since the epoch by this browser's clock. */
export interface Passed {
  at: number;
  events: number;
}

interface Stream {
  phase?: string;
  passed?: readonly Passed[];
}

const WINDOW = 2000; // ms that a speed is told of
const SHORTEST = 500; // ms; what is told of less is chance
const SILENCE = 2500; // ms without news; by then there is no speed any more

export const HOW = "An estimate: what passed in the last two seconds, an event of a stream taken for a token";

/** The oldest first, as far back as the window. The first event begins it, so that reading the prompt does not count; so does one after
 * a silence. */
export function withPassed(known: readonly Passed[], { at, events = 0 }: { at: number; events?: number }): readonly Passed[] {
  if (!events) return [];
  const last = known.at(-1);
  if (!last || at < last.at || at - last.at > SILENCE || events < last.events) return [{ at, events }];
  if (events === last.events) return known;
  const all = [...known, { at, events }];
  const within = all.findIndex((passed) => passed.at > at - WINDOW);
  return all.slice(Math.max(0, within - 1));
}

/** Tokens per second; null: nothing streams, or too little is known. `now`: ms since the epoch. */
export function streamSpeed({ phase, passed = [] }: Stream, now: number): number | null {
  const [first, last] = [passed[0], passed.at(-1)];
  if (phase !== "streaming" || !first || !last || now - last.at > SILENCE || last.at - first.at < SHORTEST) return null;
  return ((last.events - first.events) * 1000) / (last.at - first.at);
}

/** Of all of them together; null where none has a speed. */
export function speedOfAll(streams: readonly Stream[], now: number): number | null {
  const told = streams.map((stream) => streamSpeed(stream, now)).filter((speed) => speed !== null);
  return told.length ? told.reduce((sum, speed) => sum + speed, 0) : null;
}
