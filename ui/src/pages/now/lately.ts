// The changes of models as people think of them: what happened is told once, and not when it began and again when it was over.
import type { Change } from "../../lib/api.gen";

/** Newest first, as they come. A load is told while it lasts and then by what came of it, a stop by its reason and the seconds
 *  that its end tells. */
export function folded(changes: readonly Change[]): Change[] {
  const told: Change[] = [];
  const places = new Map<string, number>();
  for (const change of changes) {
    // Only the very next change of the model can be what came of this one: runs of another process have the same numbers.
    const at = places.get(change.model);
    const next = at === undefined ? undefined : told[at];
    if (at !== undefined && next && begins(change, next)) told[at] = together(change, next);
    else {
      places.set(change.model, told.length);
      told.push(change);
    }
  }
  return told;
}

function begins(change: Change, next: Change): boolean {
  if (change.run !== next.run) return false;
  return change.state === "starting" ? next.state !== "starting" : change.state === "stopping" && next.state === "stopped";
}

function together(beginning: Change, end: Change): Change {
  return beginning.state === "starting" ? end : { ...beginning, id: end.id, at: end.at, state: end.state, seconds: end.seconds };
}
