import { expect, test } from "vitest";
import { requestTurns, wholeAnswer } from "./chat";
import { streamAnswer } from "./stream";

const events = (...all: unknown[]): string => all.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
const chunk = (delta: unknown, more = {}): unknown => ({ choices: [{ index: 0, delta, ...more }] });

test("OpenAI's chat: text, reasoning apart, tool calls in pieces, finish and usage", () => {
  const body =
    events(chunk({ role: "assistant" }), chunk({ reasoning_content: "Hm" }), chunk({ reasoning: "m." }), chunk({ content: "Hel" }), chunk({ content: "lo" })) +
    events(
      chunk({ tool_calls: [{ index: 0, function: { name: "look", arguments: '{"a"' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }, { finish_reason: "tool_calls" }),
      { choices: [], usage: { total_tokens: 9 } },
    ) +
    "data: [DONE]\n\n";
  expect(streamAnswer(body)).toEqual({
    turns: [{ role: "assistant", parts: [{ kind: "thinking", text: "Hmm." }, { kind: "text", text: "Hello" }, { kind: "tool", text: '{"a":1}', name: "look" }] }],
    finish: "tool_calls", error: "", usage: { total_tokens: 9 },
  });
});

test("several choices stay apart, and completions have text", () => {
  const found = streamAnswer(events({ choices: [{ index: 0, text: "a" }, { index: 1, text: "b" }] }, { choices: [{ index: 1, text: "c", finish_reason: "length" }] }));
  expect(found?.turns.map(({ parts }) => parts[0]?.text)).toEqual(["a", "bc"]);
  expect(found?.finish).toBe("length");
});

test("Anthropic's messages: blocks in order, thinking apart, tool input joined", () => {
  const found = streamAnswer(
    events(
      { type: "message_start", message: { usage: { input_tokens: 4 } } },
      { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "So" } },
      { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "Hi" } },
      { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "!" } },
      { type: "content_block_start", index: 2, content_block: { type: "tool_use", name: "look", input: {} } },
      { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: "{}" } },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
      { type: "message_stop" },
    ),
  );
  expect(found?.turns[0]?.parts).toEqual([{ kind: "thinking", text: "So" }, { kind: "text", text: "Hi!" }, { kind: "tool", text: "{}", name: "look" }]);
  expect(found).toMatchObject({ finish: "end_turn", usage: { input_tokens: 4, output_tokens: 2 } });
});

test("OpenAI's responses: text, reasoning, calls, and how it ended", () => {
  const found = streamAnswer(
    events(
      { type: "response.created", response: {} },
      { type: "response.reasoning_summary_text.delta", output_index: 0, delta: "Because" },
      { type: "response.output_text.delta", output_index: 1, content_index: 0, delta: "Yes" },
      { type: "response.output_text.delta", output_index: 1, content_index: 0, delta: "." },
      { type: "response.output_item.added", output_index: 2, item: { type: "function_call", name: "look" } },
      { type: "response.function_call_arguments.delta", output_index: 2, delta: "{}" },
      { type: "response.completed", response: { status: "completed", usage: { output_tokens: 3 } } },
    ),
  );
  expect(found?.turns[0]?.parts).toEqual([{ kind: "thinking", text: "Because" }, { kind: "text", text: "Yes." }, { kind: "tool", text: "{}", name: "look" }]);
  expect(found).toMatchObject({ finish: "completed", usage: { output_tokens: 3 } });
});

test("an error inside a stream is told, and a cut stream gives what had come", () => {
  expect(streamAnswer(`${events(chunk({ content: "Hal" }))}data: {"error": {"message": "out of memory"}}\n\n`)).toMatchObject({ error: "out of memory" });
  expect(streamAnswer(`${events(chunk({ content: "Hal" }))}data: {"choices": [{"del`)?.turns[0]?.parts[0]?.text).toBe("Hal");
});

test("other streams are no conversation", () => {
  expect(streamAnswer("data: hello\n\n")).toBeNull();
  expect(streamAnswer(events({ progress: 3 }))).toBeNull();
  expect(streamAnswer("")).toBeNull();
});

test("a request reads as its turns, in every dialect", () => {
  const roles = (body: unknown): string[] => requestTurns(body).map(({ role, parts }) => `${role}: ${parts.map((part) => part.text).join("+")}`);
  expect(roles({ messages: [{ role: "user", content: "a" }, { role: "user", content: [{ type: "text", text: "b" }, { type: "image_url", image_url: {} }] }] })).toEqual(["user: a", "user: b+image url"]);
  expect(roles({ system: "be kind", messages: [{ role: "user", content: [{ type: "tool_result", content: "42" }] }] })).toEqual(["system: be kind", "user: 42"]);
  expect(roles({ instructions: "short", input: [{ role: "user", content: [{ type: "input_text", text: "c" }] }] })).toEqual(["system: short", "user: c"]);
  expect(roles({ prompt: "Once" })).toEqual(["prompt: Once"]);
  expect(roles([1, 2])).toEqual([]);
});

test("an answer in one piece reads like a stream", () => {
  expect(wholeAnswer({ choices: [{ message: { role: "assistant", reasoning_content: "r", content: "c" }, finish_reason: "stop" }] })?.turns[0]?.parts.map(({ text }) => text)).toEqual(["r", "c"]);
  expect(wholeAnswer({ type: "message", content: [{ type: "text", text: "m" }], stop_reason: "end_turn" })?.finish).toBe("end_turn");
  expect(wholeAnswer({ object: "response", status: "completed", output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "o" }] }] })?.turns[0]?.parts[0]?.text).toBe("o");
  expect(wholeAnswer({ data: [] })).toBeNull();
});
