// Which page is shown, and its state: the path below the page's folder, and the query. Every view has an address.
import { SvelteURLSearchParams } from "svelte/reactivity";
import { base } from "./base";

/** The pages of llama-swap's UI had their place behind a #; such links still lead somewhere. */
const OLD: Record<string, string> = { "": "", activity: "activity", playground: "playground", models: "models", logs: "logs" };

export type Query = Record<string, string | number | boolean | null | undefined | readonly string[]>;

class Router {
  /** Without slashes at its ends: "" is the start page. */
  path = $state(pathOf(location.pathname));
  readonly #query = new SvelteURLSearchParams(location.search);

  /** The value of a query parameter, "" where it is missing. */
  get(name: string): string {
    return this.#query.get(name) ?? "";
  }

  all(name: string): string[] {
    return this.#query.getAll(name);
  }

  /** Changes some query parameters of this page; null and "" take one away, a list is repeated. `push`: the browser's back button undoes it. */
  set(changes: Query, { push = false } = {}): void {
    const next = new URLSearchParams(this.#query.toString());
    for (const [name, value] of Object.entries(changes)) put(next, name, value);
    const text = next.toString();
    history[push ? "pushState" : "replaceState"](null, "", base + this.path + (text ? `?${text}` : ""));
    this.#read();
  }

  /** To another page. `address` as `link` makes it. */
  go(address: string, { replace = false } = {}): void {
    history[replace ? "replaceState" : "pushState"](null, "", address);
    this.#read();
    window.scrollTo(0, 0);
    document.getElementById("content")?.focus({ preventScroll: true });
  }

  start(): void {
    if (location.hash.startsWith("#/")) history.replaceState(null, "", fromOld(location.hash.slice(2)));
    this.#read();
    window.addEventListener("popstate", () => this.#read());
    document.addEventListener("click", (event) => this.#click(event));
  }

  #read(): void {
    this.path = pathOf(location.pathname);
    const now = new URLSearchParams(location.search);
    if (now.toString() === this.#query.toString()) return;
    for (const name of [...this.#query.keys()]) if (!now.has(name)) this.#query.delete(name);
    for (const name of new Set(now.keys())) {
      if (now.getAll(name).join("\n") === this.#query.getAll(name).join("\n")) continue;
      this.#query.delete(name);
      for (const value of now.getAll(name)) this.#query.append(name, value);
    }
  }

  /** Links within the page are followed without loading it anew. */
  #click(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = event.target instanceof Element ? event.target.closest("a") : null;
    if (!anchor || anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
    if (!anchor.pathname.startsWith(base) || anchor.hash) return;
    event.preventDefault();
    this.go(anchor.pathname + anchor.search);
  }
}

/** The address of a page: `link("model", { id, tab: "logs" })`. */
export function link(path: string, query: Query = {}): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) put(found, name, value);
  const text = found.toString();
  return base + path + (text ? `?${text}` : "");
}

/** Addresses are typed by people: one that is no proper one stays as it is. */
export function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function put(query: URLSearchParams, name: string, value: Query[string]): void {
  query.delete(name);
  if (typeof value === "object" && value !== null) for (const each of value) query.append(name, each);
  else if (value !== null && value !== undefined && value !== "" && value !== false) query.set(name, String(value));
}

function pathOf(pathname: string): string {
  const below = pathname.startsWith(base) ? pathname.slice(base.length) : "";
  return below.replace(/^\/+|\/+$/g, "");
}

function fromOld(hash: string): string {
  const [page = "", ...rest] = hash.split("/");
  if (page === "models" && rest.length) return link("model", { id: unescaped(rest.join("/")) });
  return link(OLD[page] ?? page);
}

export const router = new Router();
