// What a request waits for, in words: the same on every page.
import type { Inflight } from "./inflight";

/** "" where it does not wait. The server's sentences name models by their ids; here they have their names. */
export function waitingFor(request: Inflight, nameOf: (id: string) => string): string {
  if (request.phase === "loading") return `${nameOf(request.model)} is loading`;
  const reason = request.waiting_for;
  if (typeof reason === "string" && reason) return named(reason, nameOf);
  if (reason?.length) return `${listed([...reason].map(nameOf))} must finish first`;
  return request.phase === "queued" ? "waits for its turn" : "";
}

/** "Place 1 of 3": the queue is one for all models. `all`: the requests under way. */
export function placeOf(request: Inflight, all: readonly Inflight[]): string {
  if (!request.position) return "Queued";
  const many = Math.max(request.position, all.filter(({ phase }) => phase === "queued").length);
  return `Place ${request.position} of ${many}`;
}

/** "a and b must finish first", "a is busy", "another model is being loaded". */
function named(reason: string, nameOf: (id: string) => string): string {
  const [, models = "", rest = ""] = /^(.+)( must finish first| is busy)$/.exec(reason) ?? [];
  return models ? listed(models.split(" and ").map(nameOf)) + rest : reason;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
