// The changes of models as people think of them: one thing that happened is told once, and not when it began and again when it was over.
import type { Change } from "../../lib/api.gen";

/** What a change completes: a stop begins as "stopping", for a reason that "stopped" does not repeat, and a load as "starting". */
const BEGINS: Record<string, string> = { stopped: "stopping", ready: "starting" };

/** Newest first, as they come. A stop has the reason of its beginning and the seconds of its end; a load tells both causes. */
export function folded(changes: readonly Change[]): Change[] {
  const open = new Map<string, { at: number; begins: string }>();
  const told: Change[] = [];
  for (const change of changes) {
    const over = open.get(change.model);
    open.delete(change.model); // only the very next one of this model can be its beginning
    if (over && change.state === over.begins && told[over.at]?.run === change.run) {
      told[over.at] = together(change, told[over.at] as Change);
      continue;
    }
    const begins = BEGINS[change.state];
    if (begins) open.set(change.model, { at: told.length, begins });
    told.push(change);
  }
  return told;
}

function together(beginning: Change, end: Change): Change {
  if (end.state === "ready") return { ...end, for_model: beginning.for_model };
  return { ...beginning, id: end.id, at: end.at, state: end.state, seconds: end.seconds };
}
