// How the playground asks: every call names this page as its session, so that Activity can tell it apart, and itself, so that
// the server's news about requests under way can be matched to what waits for them here.
import { type CallOptions, call } from "../lib/api";
import type { Inflight } from "../lib/inflight";

const SESSION = `sypg-${letters(5)}`;
const REQUEST_ID = "X-Client-Request-Id";

/** As `call`; `id` is what `isAbout` finds again. */
export function ask(method: "GET" | "POST", path: string, options: CallOptions & { id?: string } = {}): Promise<Response> {
  const { id, headers, ...rest } = options;
  return call(method, path, { ...rest, headers: { ...headers, "X-Session-ID": SESSION, ...(id ? { [REQUEST_ID]: id } : {}) } });
}

export async function askJson<T>(method: "GET" | "POST", path: string, options: CallOptions & { id?: string } = {}): Promise<T> {
  return (await ask(method, path, options)).json() as Promise<T>;
}

/** Whether a request under way is the one that was asked with this id. */
export function isAbout(request: Inflight, id: string): boolean {
  return request.req_headers?.[REQUEST_ID] === id;
}

export function newId(): string {
  return letters(12);
}

function letters(many: number): string {
  const from = "abcdefghijklmnopqrstuvwxyz0123456789";
  return [...crypto.getRandomValues(new Uint8Array(many))].map((byte) => from[byte % from.length]).join("");
}
