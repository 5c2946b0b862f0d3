// What a request waits for, in words, its place among those who wait, and what has to be loaded before it: the same on every page.
import type { Inflight } from "./inflight";

/** "" where it does not wait. The server's sentences name models by their ids; here they have their names. */
export function waitingFor(request: Inflight, nameOf: (id: string) => string): string {
  if (request.phase === "loading") return `${nameOf(request.model)} is loading`;
  const reason = request.waiting_for;
  if (typeof reason === "string" && reason) return named(reason, nameOf);
  if (reason?.length) return `${listed([...reason].map(nameOf))} must finish first`;
  return request.phase === "queued" ? "waits for its turn" : "";
}

/** "Place 1 of 3" among the requests under way that queue, for whatever model. On the server a load that somebody asked for has a
 * place, too, but it is nobody's turn: whoever asks for a model after loading it is the first, not the second. */
export function placeOf(request: Inflight, all: readonly Inflight[]): string {
  if (request.phase !== "queued" || !request.position) return "Queued";
  const line = inLine(all);
  const before = line.filter(({ position }) => (position ?? Infinity) < request.position!).length;
  return `Place ${before + 1} of ${Math.max(before + 1, line.length)}`;
}

/** The models that have to be loaded one after the other until it is served, the nearest first. `isReady` ones need no load. */
export function loadsUntil(request: Inflight, all: readonly Inflight[], isReady: (model: string) => boolean): string[] {
  const line = inLine(all);
  const before = line.slice(0, line.findIndex(({ id }) => id === request.id));
  return [...new Set([...before, request].map(({ model }) => model))].filter((model) => !isReady(model));
}

/** By a load of somebody else's, which has to be over first. */
export function isHeldUp(request: Inflight): boolean {
  return request.phase === "queued" && typeof request.waiting_for === "string" && / (is|are) being loaded$/.test(request.waiting_for);
}

function inLine(all: readonly Inflight[]): Inflight[] {
  return all.filter(({ phase }) => phase === "queued").sort((a, b) => (a.position ?? Infinity) - (b.position ?? Infinity));
}

/** "a and b must finish first", "a is busy", "a is being loaded", "another model is being loaded". */
function named(reason: string, nameOf: (id: string) => string): string {
  const [, models = "", rest = ""] = /^(?!another model )(.+)( must finish first| is busy| (?:is|are) being loaded)$/.exec(reason) ?? [];
  return models ? listed(models.split(" and ").map(nameOf)) + rest : reason;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
