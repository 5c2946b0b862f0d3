// The body of a captured request or answer: what it is, and the ways to look at it.

export type View = "chat" | "pretty" | "image" | "audio" | "raw";

export interface Body {
  bytes: Uint8Array<ArrayBuffer>;
  /** Without parameters, in lower case; "" where nobody said. */
  type: string;
  /** null: these bytes are no text. */
  text: string | null;
  /** The parsed JSON, or undefined. */
  json: unknown;
  isStream: boolean;
}

/** `encoded`: base64, as the API gives it. */
export function decodeBody(encoded: string, headers: Record<string, string> | null): Body {
  const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  const named = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  const type = (named.split(";", 1)[0] ?? "").trim().toLowerCase();
  const text = /^(image|audio|video)\//.test(type) ? null : asText(bytes);
  const isStream = type === "text/event-stream" || (type === "" && text !== null && /^(event|data):/.test(text));
  return { bytes, type, text, json: text === null || isStream ? undefined : asJson(text), isStream };
}

export interface Picture {
  bytes: Uint8Array<ArrayBuffer>;
  type: string;
}

/** The body itself, or what an answer of OpenAI's API or the Stable Diffusion web UI has in it as base64. */
export function picturesOf(body: Body): Picture[] {
  if (body.type.startsWith("image/")) return [body];
  const { data, images } = (body.json ?? {}) as { data?: unknown; images?: unknown };
  const encoded = [...(Array.isArray(data) ? data.map((each: { b64_json?: unknown } | null) => each?.b64_json) : []), ...(Array.isArray(images) ? images : [])];
  return encoded.flatMap((text) => {
    const bytes = typeof text === "string" && text ? fromBase64(text.replace(/^data:[^,]*,/, "")) : null;
    return bytes ? [{ bytes, type: bytes[0] === 0xff ? "image/jpeg" : "image/png" }] : [];
  });
}

/** The best first. `hasChat`: something in it can be read as a conversation. */
export function views(body: Body, hasChat: boolean): View[] {
  const found: View[] = [];
  if (hasChat) found.push("chat");
  if (picturesOf(body).length) found.push("image");
  if (body.json !== undefined) found.push("pretty");
  if (body.type.startsWith("audio/")) found.push("audio");
  if (body.text !== null) found.push("raw");
  return found;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

function asText(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // eslint-disable-next-line no-control-regex
    return /[\x00-\x08\x0e-\x1a]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
