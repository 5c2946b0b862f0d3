// Why a model changed, in a few words: the same in every list.
import type { Change } from "./api.gen";
import { isFailure } from "./details.svelte";
import { duration, inShort } from "./format";
import { look } from "./states";

type NameOf = (id: string) => string;

const EVICTED = "evicted: ";

/** Without the state itself, which stands beside it. `nameOf`: a model's name by its id. */
export function why(change: Change, nameOf: NameOf): string {
  if (change.state === "ready") return change.seconds != null ? loaded(change, change.seconds) : "";
  if (isFailure(change)) return inShort(change.cause);
  const cause = change.reason === "evicted" ? evicted(change, nameOf) : inShort(change.cause);
  return change.state === "stopped" && change.seconds != null ? `${cause}, after ${duration(change.seconds)}` : cause;
}

/** What a model became, in a word, and why: "evicted", "group exclusive, for Owl, request 812". */
export function headline(change: Change, nameOf: NameOf): { word: string; rest: string } {
  const rest = why(change, nameOf);
  if (change.reason === "evicted") return { word: "evicted", rest: rest.slice(EVICTED.length) };
  return { word: look(isFailure(change) ? "failed" : change.state).text.toLowerCase(), rest };
}

/** "loaded in 1 min 12 s for request 7", of "loaded in 72.3 s for request 7". */
export function loaded(change: Change, seconds: number): string {
  return `loaded in ${duration(seconds)}${/^loaded in [\d.]+ s(.*)/.exec(change.cause)?.[1] ?? ""}`;
}

/** "evicted: group exclusive, for Owl, request 812": by which rule, for whom, and who asked for that. */
function evicted({ cause, for_model: id = "" }: Change, nameOf: NameOf): string {
  return EVICTED + cause.replace(/^evicted:? /, "").replace(`for ${id}`, () => `for ${nameOf(id)}`);
}

export interface Asked {
  before: string;
  /** "request 812". */
  request: string;
  after: string;
  /** Its number among the requests under way. */
  number: string;
}

/** Where a text tells of the request that a change was for; null where it tells of none. What a server says of requests before it
 *  dies counts in its own way. */
export function asked(change: Change, text: string): Asked | null {
  if (isFailure(change)) return null;
  const number = change.for_request || (/\brequest (\d+)$/.exec(change.cause)?.[1] ?? "");
  const request = `request ${number}`;
  const at = number ? text.lastIndexOf(request) : -1;
  return at < 0 ? null : { before: text.slice(0, at), request, after: text.slice(at + request.length), number };
}

/** Why the model is in its present state: of one that has stopped, why it was made to. `changes`: of all models, the newest first. */
export function presentCause(model: string, changes: readonly Change[]): Change | null {
  return changes.find((change) => change.model === model && change.state !== "stopped") ?? null;
}
