// Streams of events put together to the answers that they told: OpenAI's chat and completions (and llama.cpp's own form),
// Anthropic's messages, OpenAI's responses. A stream that broke off gives what had come.
import { EventParser } from "../../lib/sse";
import { type Answer, type Json, type PartKind, list, record, text } from "./chat";

/** null: it is none of these. */
export function streamAnswer(body: string): Answer | null {
  const events = new EventParser().feed(`${body}\n\n`).flatMap((data): Json[] => {
    try {
      const event = record(JSON.parse(data));
      return event ? [event] : [];
    } catch {
      return []; // [DONE], or a piece of a stream that was cut
    }
  });
  const assembly = new Assembly();
  for (const event of events) assembly.add(event);
  return assembly.answer;
}

class Assembly {
  readonly #turns = new Map<string, Map<string, { kind: PartKind; text: string; name?: string }>>();
  #finish = "";
  #error = "";
  #usage: Json | null = null;
  #isKnown = false;

  get answer(): Answer | null {
    if (!this.#isKnown) return null;
    const turns = [...this.#turns.values()].map((parts) => ({ role: "assistant", parts: [...parts.values()].filter((part) => part.text || part.name) }));
    return { turns: turns.filter(({ parts }) => parts.length), finish: this.#finish, error: this.#error, usage: this.#usage };
  }

  add(event: Json): void {
    const type = text(event.type);
    if (event.error !== undefined || type === "error") this.#fail(event.error ?? event);
    if (Array.isArray(event.choices)) this.#choices(event);
    else if (type.startsWith("response.")) this.#response(type, event);
    else if (/^(message_|content_block_)/.test(type)) this.#message(type, event);
    else if (typeof event.content === "string") this.#write("0", "text", "text", event.content);
    else return;
    this.#isKnown = true;
  }

  #fail(error: unknown): void {
    this.#isKnown = true;
    this.#error = text(record(error)?.message) || text(error) || JSON.stringify(error);
  }

  #choices(event: Json): void {
    this.#usage = record(event.usage) ?? this.#usage;
    for (const each of event.choices as unknown[]) {
      const choice = record(each) ?? {};
      const turn = String(choice.index ?? 0);
      const delta = record(choice.delta) ?? {};
      this.#write(turn, "thinking", "thinking", text(delta.reasoning_content) || text(delta.reasoning));
      this.#write(turn, "text", "text", text(delta.content) || text(choice.text));
      for (const one of list(delta.tool_calls)) {
        const call = record(one) ?? {};
        const about = record(call.function) ?? {};
        this.#write(turn, `tool ${String(call.index ?? 0)}`, "tool", text(about.arguments), text(about.name));
      }
      this.#finish = text(choice.finish_reason) || this.#finish;
    }
  }

  #message(type: string, event: Json): void {
    const block = record(event.content_block);
    const delta = record(event.delta);
    const key = String(event.index ?? 0);
    if (type === "message_start") this.#usage = record(record(event.message)?.usage);
    else if (block) {
      const kind = block.type === "thinking" ? "thinking" : block.type === "tool_use" ? "tool" : "text";
      this.#write("0", key, kind, text(block.text) || text(block.thinking), text(block.name));
    } else if (type === "content_block_delta" && delta) {
      const kind = delta.type === "thinking_delta" ? "thinking" : delta.type === "input_json_delta" ? "tool" : "text";
      this.#write("0", key, kind, text(delta.text) || text(delta.thinking) || text(delta.partial_json));
    } else if (type === "message_delta") {
      this.#finish = text(delta?.stop_reason) || this.#finish;
      this.#usage = { ...this.#usage, ...record(event.usage) };
    }
  }

  #response(type: string, event: Json): void {
    const item = record(event.item);
    const key = `${String(event.output_index ?? 0)} ${String(event.content_index ?? event.summary_index ?? 0)}`;
    if (type === "response.output_item.added" && item?.type === "function_call") this.#write("0", key, "tool", text(item.arguments), text(item.name));
    else if (type === "response.output_text.delta" || type === "response.refusal.delta") this.#write("0", key, "text", text(event.delta));
    else if (/^response\.reasoning.*\.delta$/.test(type)) this.#write("0", `thinking ${key}`, "thinking", text(event.delta));
    else if (type === "response.function_call_arguments.delta") this.#write("0", key, "tool", text(event.delta));
    else if (/^response\.(completed|failed|incomplete)$/.test(type)) {
      const response = record(event.response) ?? {};
      this.#finish = text(response.status);
      this.#usage = record(response.usage) ?? this.#usage;
      if (response.error) this.#fail(response.error);
    }
  }

  #write(turn: string, key: string, kind: PartKind, more: string, name = ""): void {
    if (!more && !name) return;
    const parts = this.#turns.get(turn) ?? new Map();
    this.#turns.set(turn, parts);
    const part = parts.get(key) ?? { kind, text: "" };
    parts.set(key, { ...part, text: part.text + more, ...(name ? { name } : {}) });
  }
}
