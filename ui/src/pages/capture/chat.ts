// Conversations as people read them, from what programs send each other: the messages of a request, the answer in one piece.
// The dialects: OpenAI's chat and completions, Anthropic's messages, OpenAI's responses. Nothing here throws on odd input.

export type PartKind = "text" | "thinking" | "tool" | "result" | "media";

export interface Part {
  kind: PartKind;
  text: string;
  /** Of a tool. */
  name?: string;
}

export interface Turn {
  role: string;
  parts: Part[];
}

export interface Answer {
  turns: Turn[];
  /** Why it ended, in the API's words. */
  finish: string;
  /** What went wrong within an answer that began well. */
  error: string;
  usage: Record<string, unknown> | null;
}

export type Json = Record<string, unknown>;

export function record(value: unknown): Json | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The messages of a request; empty where it is no conversation. */
export function requestTurns(body: unknown): Turn[] {
  const request = record(body);
  if (!request) return [];
  const turns: Turn[] = [];
  const system = contentParts(request.system ?? request.instructions);
  if (system.length) turns.push({ role: "system", parts: system });
  if (typeof request.prompt === "string") turns.push({ role: "prompt", parts: [{ kind: "text", text: request.prompt }] });
  if (typeof request.input === "string" && typeof request.voice !== "string") turns.push({ role: "user", parts: [{ kind: "text", text: request.input }] });
  for (const each of [...list(request.messages), ...list(request.input)]) {
    const message = record(each);
    if (!message) continue;
    const parts = [...contentParts(message.content), ...toolParts(message)];
    if (parts.length) turns.push({ role: text(message.role) || text(message.type) || "message", parts });
  }
  return turns;
}

/** The answer of a body that came in one piece; null where it is none of a conversation. */
export function wholeAnswer(body: unknown): Answer | null {
  const answer = record(body);
  if (!answer) return null;
  const usage = record(answer.usage);
  if (Array.isArray(answer.choices)) {
    const turns = answer.choices.map((each) => choiceTurn(record(each) ?? {}));
    return { turns, finish: text(record(answer.choices[0])?.finish_reason), error: "", usage };
  }
  if (answer.type === "message") {
    return { turns: [{ role: text(answer.role) || "assistant", parts: contentParts(answer.content) }], finish: text(answer.stop_reason), error: "", usage };
  }
  if (answer.object === "response") {
    const turns = list(answer.output).flatMap((each) => outputTurn(record(each) ?? {}));
    return { turns, finish: text(answer.status), error: text(record(answer.error)?.message), usage };
  }
  return null;
}

function choiceTurn(choice: Json): Turn {
  const message = record(choice.message);
  if (!message) return { role: "completion", parts: [{ kind: "text", text: text(choice.text) }] };
  const thinking = text(message.reasoning_content) || text(message.reasoning);
  const parts: Part[] = thinking ? [{ kind: "thinking", text: thinking }] : [];
  return { role: text(message.role) || "assistant", parts: [...parts, ...contentParts(message.content), ...toolParts(message)] };
}

function outputTurn(item: Json): Turn[] {
  const parts = [...list(item.summary).map((each) => ({ kind: "thinking" as const, text: text(record(each)?.text) })), ...contentParts(item.content), ...toolParts(item)];
  return parts.length ? [{ role: text(item.role) || "assistant", parts }] : [];
}

function contentParts(content: unknown): Part[] {
  if (typeof content === "string") return content ? [{ kind: "text", text: content }] : [];
  return list(content).flatMap((each): Part[] => {
    const part = record(each);
    if (!part) return [];
    const type = text(part.type);
    if (type === "thinking" || type === "reasoning_text") return [{ kind: "thinking", text: text(part.thinking) || text(part.text) }];
    if (typeof part.text === "string") return [{ kind: "text", text: part.text }];
    if (type === "tool_use") return [{ kind: "tool", name: text(part.name), text: JSON.stringify(part.input ?? {}) }];
    if (type === "tool_result") return [{ kind: "result", text: contentParts(part.content).map((inner) => inner.text).join("\n") }];
    return [{ kind: "media", text: type.replace(/_/g, " ") || "attachment" }];
  });
}

function toolParts(message: Json): Part[] {
  const calls = list(message.tool_calls).flatMap((each): Part[] => {
    const call = record(record(each)?.function);
    return call ? [{ kind: "tool", name: text(call.name), text: text(call.arguments) }] : [];
  });
  if (message.type === "function_call") calls.push({ kind: "tool", name: text(message.name), text: text(message.arguments) });
  if (message.type === "function_call_output") calls.push({ kind: "result", text: text(message.output) });
  return calls;
}
