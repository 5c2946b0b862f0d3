// Model changes as marks in the charts.
import type { Change } from "../../lib/api.gen";

export interface Marker {
  /** Seconds since the epoch. */
  at: number;
  kind: "loaded" | "unloaded" | "failed";
  text: string;
}

const BAD = ["start_failed", "crashed"];

/** Of the changes that alter what is in memory; oldest first. `nameOf`: a model's name, by its id. Why a run ended is told when it
 * begins to stop. */
export function markersOf(changes: readonly Change[], nameOf: (model: string) => string): Marker[] {
  const whys = new Map(changes.filter(({ state }) => state === "stopping").map((change) => [change.run, change]));
  return changes
    .flatMap((change): Marker[] => {
      const name = nameOf(change.model);
      if (change.state === "ready") return [{ at: change.at, kind: "loaded", text: `${name} is ready` }];
      if (change.state !== "stopped") return [];
      const why = whys.get(change.run) ?? change;
      if (BAD.includes(why.reason ?? "")) return [{ at: change.at, kind: "failed", text: `${name} failed` }];
      return [{ at: change.at, kind: "unloaded", text: `${name} was unloaded${why.for_model ? ` for ${nameOf(why.for_model)}` : ""}` }];
    })
    .sort((a, b) => a.at - b.at);
}

/** The marker next to a time, if it is within so many seconds of it. */
export function nearest(markers: readonly Marker[], at: number, within: number): Marker | null {
  let found: Marker | null = null;
  for (const marker of markers) if (Math.abs(marker.at - at) <= (found ? Math.abs(found.at - at) : within)) found = marker;
  return found;
}

/** One list without doubles, the newest first, from two. */
export function joined(newer: readonly Change[], older: readonly Change[]): Change[] {
  const byId = new Map([...older, ...newer].map((change) => [change.id, change]));
  return [...byId.values()].sort((a, b) => b.id - a.id);
}
