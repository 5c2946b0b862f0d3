// Where models stand on the page Now while somebody is about to press something there: nothing may come in between.

export interface Places {
  /** Ids of those that have a card, in order. */
  cards: readonly string[];
  /** Ids of those that are offered below. */
  rows: readonly string[];
  /** Who waits stands above them. */
  hasQueue: boolean;
  /** For so many cards there is room without pushing anything aside. */
  room: number;
}

/** What stands there stays, and what is new comes behind it, up to `room` of all. */
export function kept(standing: readonly string[], now: readonly string[], room: number): string[] {
  const added = now.filter((id) => !standing.includes(id));
  return [...standing, ...added.slice(0, Math.max(0, room - standing.length))];
}

/** How many boxes of at least `least` stand side by side. All in px. */
export function columnsIn(width: number, least: number, gap: number): number {
  return Math.max(1, Math.floor((width + gap) / (least + gap)));
}
