// Making a captured request once more, to the same or another model.
import type { Capture } from "../../lib/api.gen";
import { call } from "../../lib/api";
import { type Body, decodeBody } from "./body";
import { record } from "./chat";

export interface Replayed {
  status: number;
  seconds: number;
  body: Body;
  model: string;
}

/** Only JSON to the API can be made again: forms are not kept whole, and other paths may do anything. null: it can. */
export function whyNot(capture: Capture, body: Body | null): string | null {
  if (!body) return "The request was not kept.";
  if (!record(body.json)) return "Only requests in JSON can be made again.";
  if (!/^\/(v1|sdapi|infill|completion|embedding|rerank|reranking|tokenize|detokenize)/.test(capture.req_path)) return "Requests to a model's own pages cannot be made again from here.";
  return null;
}

/** The whole answer, streams too. Throws ApiError, and AbortError when `signal` says so. */
export async function replay(capture: Capture, body: Body, model: string, signal: AbortSignal): Promise<Replayed> {
  const began = performance.now();
  const answer = await call("POST", capture.req_path.replace(/^\//, ""), { body: { ...record(body.json), model }, signal });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const headers = { "Content-Type": answer.headers.get("Content-Type") ?? "" };
  return { status: answer.status, seconds: (performance.now() - began) / 1000, body: decodeBody(base64(bytes), headers), model };
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
