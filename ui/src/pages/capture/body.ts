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

/** The best first. `hasChat`: something in it can be read as a conversation. */
export function views(body: Body, hasChat: boolean): View[] {
  const found: View[] = [];
  if (hasChat) found.push("chat");
  if (body.json !== undefined) found.push("pretty");
  if (body.type.startsWith("image/")) found.push("image");
  if (body.type.startsWith("audio/")) found.push("audio");
  if (body.text !== null) found.push("raw");
  return found;
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
