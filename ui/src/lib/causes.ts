// Why a model changed, in a few words: the same in every list.
import type { Change } from "./api.gen";
import { isFailure } from "./details.svelte";
import { duration, firstLine } from "./format";

/** Without the state itself, which stands beside it. `nameOf`: a model's name by its id. */
export function why(change: Change, nameOf: (id: string) => string): string {
  if (change.state === "ready") return change.seconds != null ? loaded(change, change.seconds) : "";
  if (isFailure(change)) return firstLine(change.cause);
  const isOver = change.state === "stopped";
  const cause = change.reason === "evicted" ? `${isOver ? "made" : "makes"} room for ${nameOf(change.for_model ?? "")}` : firstLine(told(change));
  return isOver && change.seconds != null ? `${cause}, after ${duration(change.seconds)}` : cause;
}

/** "loaded in 1 min 12 s for a request", of "loaded in 72.3 s for request 7". */
export function loaded(change: Change, seconds: number): string {
  return `loaded in ${duration(seconds)}${/^loaded in [\d.]+ s(.*)/.exec(told(change))?.[1] ?? ""}`;
}

/** The whole cause, but without a request's number: that counts requests under way, and no list could be searched for it. */
export function told(change: Change): string {
  return change.cause.replace(/\bfor request \d+$/, "for a request");
}

/** Why the model is in its present state: of one that has stopped, why it was made to. `changes`: of all models, the newest first. */
export function presentCause(model: string, changes: readonly Change[]): Change | null {
  return changes.find((change) => change.model === model && change.state !== "stopped") ?? null;
}
