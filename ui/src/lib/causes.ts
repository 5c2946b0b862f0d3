// Why a model changed, in a few words: the same in every list.
import type { Change } from "./api.gen";
import { duration, firstLine } from "./format";

/** Without the state itself, which stands beside it. `nameOf`: a model's name by its id. */
export function why(change: Change, nameOf: (id: string) => string): string {
  if (change.state === "ready") return change.seconds != null ? `loaded in ${duration(change.seconds)}` : "";
  if (change.state === "stopped") return change.seconds != null ? `${change.cause}, after ${duration(change.seconds)}` : change.cause;
  if (change.for_model) return `${change.reason === "evicted" ? "makes room for" : change.cause} ${nameOf(change.for_model)}`;
  return firstLine(change.cause);
}

/** Why the model is in its present state: of one that has stopped, why it was made to. `changes`: of all models, the newest first. */
export function presentCause(model: string, changes: readonly Change[]): Change | null {
  return changes.find((change) => change.model === model && change.state !== "stopped") ?? null;
}
