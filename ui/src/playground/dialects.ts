// The three ways to chat (chat completions, messages, responses): what is asked, and what the events of an answer mean.

export const ENDPOINTS = ["chat", "messages", "responses"] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

export const ENDPOINT_PATHS: Record<Endpoint, string> = { chat: "v1/chat/completions", messages: "v1/messages", responses: "v1/responses" };

export interface Said {
  role: "user" | "assistant";
  text: string;
  /** As data URLs. */
  images: readonly string[];
}

/** Counts of tokens, as far as the answer tells them. `prompt` has the cached ones in it. */
export interface Tokens {
  prompt?: number;
  cached?: number;
  generated?: number;
}

/** llama.cpp's own figures; tokens per second, and the seconds in which it read the prompt. */
export interface Timings {
  read?: number;
  prefill?: number;
  decode?: number;
}

export interface Heard {
  text?: string;
  reasoning?: string;
  finish?: string;
  tokens?: Tokens;
  timings?: Timings;
  error?: string;
}

type Json = Record<string, unknown>;

/** The messages of a conversation, and its system prompt, as the endpoint wants them. */
export function conversation(endpoint: Endpoint, system: string, said: readonly Said[]): Json {
  const turns = merged(said);
  switch (endpoint) {
    case "chat":
      return {
        messages: [...(system ? [{ role: "system", content: system }] : []), ...turns.map((turn) => ({ role: turn.role, content: chatContent(turn) }))],
        stream: true,
        stream_options: { include_usage: true },
      };
    case "messages":
      return { ...(system ? { system } : {}), messages: turns.map((turn) => ({ role: turn.role, content: messagesContent(turn) })), stream: true };
    case "responses":
      return { ...(system ? { instructions: system } : {}), input: turns.map((turn) => ({ role: turn.role, content: responsesContent(turn) })), stream: true };
  }
}

/** Templates want user and assistant in turn: what stands beside its like (an answer between them failed) becomes one. */
function merged(said: readonly Said[]): Said[] {
  const turns: Said[] = [];
  for (const each of said) {
    const last = turns.at(-1);
    if (last?.role === each.role) turns[turns.length - 1] = { role: each.role, text: `${last.text}\n\n${each.text}`, images: [...last.images, ...each.images] };
    else turns.push(each);
  }
  return turns;
}

function chatContent({ text, images }: Said): unknown {
  if (!images.length) return text;
  return [...(text ? [{ type: "text", text }] : []), ...images.map((url) => ({ type: "image_url", image_url: { url } }))];
}

function messagesContent({ text, images }: Said): unknown {
  if (!images.length) return text;
  const sources = images.map((url) => {
    const [, media_type = "image/png", data = ""] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
    return { type: "image", source: { type: "base64", media_type, data } };
  });
  return [...sources, ...(text ? [{ type: "text", text }] : [])];
}

function responsesContent({ role, text, images }: Said): unknown {
  if (!images.length) return text;
  const kind = role === "user" ? "input_text" : "output_text";
  return [...(text ? [{ type: kind, text }] : []), ...images.map((image_url) => ({ type: "input_image", image_url }))];
}

/** What one event of a stream says; its data is JSON, or `[DONE]`. */
export function heardIn(endpoint: Endpoint, data: string): Heard {
  if (data.trim() === "[DONE]") return {};
  let event: Json;
  try {
    event = record(JSON.parse(data));
  } catch {
    return { error: `The answer is not what ${ENDPOINT_PATHS[endpoint]} promises: ${data.slice(0, 200)}` };
  }
  const failure = failureIn(event);
  if (failure) return { error: failure };
  const reading = { chat: chatEvent, messages: messagesEvent, responses: responsesEvent }[endpoint];
  return tidy({ ...reading(event), timings: timingsOf(event) ?? timingsOf(record(event.response)), ...tokensOfTimings(event) });
}

/** An answer that came in one piece, though a stream was asked for. */
export function heardWhole(endpoint: Endpoint, body: unknown): Heard {
  const answer = record(body);
  const failure = failureIn(answer);
  if (failure) return { error: failure };
  const timings = timingsOf(answer);
  switch (endpoint) {
    case "chat": {
      const choice = record(list(answer.choices)[0]);
      const message = record(choice.message);
      return tidy({ text: text(message.content), reasoning: text(message.reasoning_content) || text(message.reasoning), finish: text(choice.finish_reason), tokens: chatTokens(answer.usage), timings });
    }
    case "messages": {
      const blocks = list(answer.content).map(record);
      return tidy({
        text: blocks.map((block) => text(block.text)).join(""),
        reasoning: blocks.map((block) => text(block.thinking)).join(""),
        finish: text(answer.stop_reason),
        tokens: messagesTokens(answer.usage),
        timings,
      });
    }
    case "responses": {
      const items = list(answer.output).map(record);
      const parts = (type: string): string =>
        items
          .filter((item) => item.type === type)
          .flatMap((item) => [...list(item.content), ...list(item.summary)].map((part) => text(record(part).text)))
          .join("");
      return tidy({ text: parts("message"), reasoning: parts("reasoning"), ...responseEnd(answer), timings });
    }
  }
}

function chatEvent(event: Json): Heard {
  const choice = record(list(event.choices)[0]);
  const delta = record(choice.delta);
  return {
    text: text(delta.content),
    reasoning: text(delta.reasoning_content) || text(delta.reasoning),
    finish: text(choice.finish_reason),
    tokens: event.usage ? chatTokens(event.usage) : undefined,
  };
}

function messagesEvent(event: Json): Heard {
  const delta = record(event.delta);
  switch (event.type) {
    case "message_start":
      return { tokens: messagesTokens(record(event.message).usage) };
    case "content_block_start": {
      const block = record(event.content_block);
      return { text: text(block.text), reasoning: text(block.thinking) };
    }
    case "content_block_delta":
      return { text: text(delta.text), reasoning: text(delta.thinking) };
    case "message_delta":
      return { finish: text(delta.stop_reason), tokens: messagesTokens(event.usage) };
    default:
      return {};
  }
}

function responsesEvent(event: Json): Heard {
  switch (event.type) {
    case "response.output_text.delta":
    case "response.refusal.delta":
      return { text: text(event.delta) };
    case "response.reasoning_text.delta":
    case "response.reasoning.delta":
    case "response.reasoning_summary_text.delta":
      return { reasoning: text(event.delta) };
    case "response.completed":
    case "response.incomplete":
      return responseEnd(record(event.response));
    default:
      return {};
  }
}

function responseEnd(response: Json): Heard {
  const usage = record(response.usage);
  const tokens: Tokens = {
    prompt: number(usage.input_tokens),
    cached: number(record(usage.input_tokens_details).cached_tokens),
    generated: number(usage.output_tokens),
  };
  return { tokens, finish: text(record(response.incomplete_details).reason) || text(response.status) };
}

function failureIn(event: Json): string {
  if (event.type === "response.failed") return text(record(record(event.response).error).message) || "The answer failed.";
  const error = event.error;
  if (typeof error === "string") return error;
  if (error) return text(record(error).message) || JSON.stringify(error);
  return event.type === "error" ? text(event.message) || "The answer failed." : "";
}

function chatTokens(found: unknown): Tokens {
  const usage = record(found);
  return { prompt: number(usage.prompt_tokens), cached: number(record(usage.prompt_tokens_details).cached_tokens), generated: number(usage.completion_tokens) };
}

/** Anthropic counts what was cached beside the input, not in it. */
function messagesTokens(found: unknown): Tokens {
  const usage = record(found);
  const input = number(usage.input_tokens);
  const cached = number(usage.cache_read_input_tokens);
  const written = number(usage.cache_creation_input_tokens) ?? 0;
  return { prompt: input === undefined ? undefined : input + (cached ?? 0) + written, cached, generated: number(usage.output_tokens) };
}

function timingsOf(event: Json): Timings | undefined {
  if (!event.timings) return undefined;
  const timings = record(event.timings);
  const read = number(timings.prompt_ms);
  return { read: read === undefined ? undefined : read / 1000, prefill: number(timings.prompt_per_second), decode: number(timings.predicted_per_second) };
}

/** Where an answer has llama.cpp's timings and no usage. */
function tokensOfTimings(event: Json): { tokens?: Tokens } {
  if (!event.timings || event.usage) return {};
  const timings = record(event.timings);
  const cached = number(timings.cache_n);
  const read = number(timings.prompt_n);
  return { tokens: { prompt: read === undefined ? undefined : read + (cached ?? 0), cached, generated: number(timings.predicted_n) } };
}

/** Without what is empty, so that later events do not take away what earlier ones said. */
function tidy(heard: Heard): Heard {
  const found: Heard = {};
  if (heard.text) found.text = heard.text;
  if (heard.reasoning) found.reasoning = heard.reasoning;
  if (heard.finish) found.finish = heard.finish;
  if (heard.tokens) found.tokens = Object.fromEntries(Object.entries(heard.tokens).filter(([, value]) => value !== undefined));
  if (heard.timings) found.timings = Object.fromEntries(Object.entries(heard.timings).filter(([, value]) => value !== undefined));
  return found;
}

function record(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
