// Calls to the server, and what it says when they fail.
import { server } from "./base";
import { session } from "./session.svelte";

/** Why a call failed. `status` 0: there was no answer. `message` is for people. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code = "",
    readonly param: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** The server does not have this (yet), or it is switched off. */
  get isMissing(): boolean {
    return this.status === 404 || this.status === 501;
  }
}

export interface CallOptions {
  signal?: AbortSignal;
  body?: unknown;
  headers?: Record<string, string>;
}

/** The answer as it comes. Throws ApiError for anything but success, and AbortError when `signal` says so. */
export async function call(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { ...session.headers, ...options.headers };
  let body: BodyInit | undefined;
  if (options.body instanceof FormData || options.body instanceof Blob || typeof options.body === "string") body = options.body;
  else if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(server(path), { method, headers, body, signal: options.signal, cache: "no-store" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("Swapyard cannot be reached.", 0, "unreachable");
  }
  if (response.ok) return response;
  if (response.status === 401) session.refused(headers);
  throw await errorOf(response);
}

export async function get<T>(path: string, options?: CallOptions): Promise<T> {
  return (await call("GET", path, options)).json() as Promise<T>;
}

export async function send<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown, options?: CallOptions): Promise<T> {
  const text = await (await call(method, path, { ...options, body })).text();
  try {
    return JSON.parse(text) as T;
  } catch {
    return text as T;
  }
}

/** A query from what is there: empty and missing values are left out, lists are repeated. */
export function query(values: Record<string, string | number | boolean | null | undefined | readonly string[]>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === "object" && value !== null) for (const each of value) found.append(name, each);
    else if (value !== undefined && value !== null && value !== "") found.set(name, String(value));
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}

/** One segment, or several where the id has slashes. */
export function inPath(id: string): string {
  return id.split("/").map(encodeURIComponent).join("/");
}

/** Reads `{"error": {"message", "code", "param"}}`, in the shapes of OpenAI's and Anthropic's API, or plain text. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  const wait = Number(response.headers.get("Retry-After"));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  try {
    const found: unknown = JSON.parse(text);
    const error = isRecord(found) && isRecord(found.error) ? found.error : null;
    if (error && typeof error.message === "string") {
      const code = typeof error.code === "string" ? error.code : typeof error.type === "string" ? error.type : "";
      return new ApiError(error.message, response.status, code, typeof error.param === "string" ? error.param : null, retryAfter);
    }
  } catch {
    // No JSON: told as it is.
  }
  const plain = text.trim().slice(0, 500);
  return new ApiError(plain && !plain.startsWith("<") ? plain : `The server answered ${response.status}.`, response.status, "", null, retryAfter);
}

/** In words, whatever was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
