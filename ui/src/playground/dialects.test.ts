import { describe, expect, test } from "vitest";
import { readEvents } from "../lib/sse";
import { type Endpoint, type Heard, conversation, heardIn, heardWhole } from "./dialects";

const STREAMS: Record<Endpoint, string> = {
  chat: [
    `data: {"choices":[{"delta":{"role":"assistant","content":null}}]}`,
    `data: {"choices":[{"delta":{"reasoning_content":"Hm… "}}]}`,
    `data: {"choices":[{"delta":{"reasoning":"ja"}}]}`,
    `data: {"choices":[{"delta":{"content":"Grüße "}}]}`,
    `: a comment`,
    `data: {"choices":[{"delta":{"content":"🦥"}}]}`,
    `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}`,
    `data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}},"timings":{"prompt_per_second":400,"predicted_per_second":50.5}}`,
    `data: [DONE]`,
    "",
  ].join("\n\n"),
  messages: [
    `event: message_start\ndata: {"type":"message_start","message":{"content":[],"usage":{"input_tokens":4,"cache_read_input_tokens":6,"output_tokens":0}}}`,
    `event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"Hm… "}}`,
    `event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"ja"}}`,
    `event: ping\ndata: {"type":"ping"}`,
    `event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Grüße 🦥"}}`,
    `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}`,
    `event: message_stop\ndata: {"type":"message_stop"}`,
    "",
  ].join("\n\n"),
  responses: [
    `event: response.created\ndata: {"type":"response.created","response":{"status":"in_progress","error":null}}`,
    `event: response.reasoning_summary_text.delta\ndata: {"type":"response.reasoning_summary_text.delta","delta":"Hm… "}`,
    `event: response.reasoning_text.delta\ndata: {"type":"response.reasoning_text.delta","delta":"ja"}`,
    `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Grüße 🦥"}`,
    `event: response.output_text.done\ndata: {"type":"response.output_text.done","text":"Grüße 🦥"}`,
    `event: response.completed\ndata: {"type":"response.completed","response":{"status":"completed","error":null,"usage":{"input_tokens":10,"output_tokens":4,"input_tokens_details":{"cached_tokens":6}}}}`,
    "",
  ].join("\n\n"),
};

/** Everything that a stream says, however its bytes are cut. */
async function hear(endpoint: Endpoint, pieces: readonly Uint8Array[]): Promise<Heard & { text: string; reasoning: string }> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const all = { text: "", reasoning: "" } as Heard & { text: string; reasoning: string };
  await readEvents(body, (data) => {
    const heard = heardIn(endpoint, data);
    all.text += heard.text ?? "";
    all.reasoning += heard.reasoning ?? "";
    if (heard.finish) all.finish = heard.finish;
    if (heard.error) all.error = heard.error;
    all.tokens = { ...all.tokens, ...heard.tokens };
    all.timings = { ...all.timings, ...heard.timings };
  });
  return all;
}

describe.each(Object.keys(STREAMS) as Endpoint[])("a stream of %s", (endpoint) => {
  const bytes = new TextEncoder().encode(STREAMS[endpoint]);
  const finish = { chat: "stop", messages: "end_turn", responses: "completed" }[endpoint];

  test("says the same wherever its bytes are cut", async () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const all = await hear(endpoint, [bytes.slice(0, cut), bytes.slice(cut)]);
      expect(all).toMatchObject({ text: "Grüße 🦥", reasoning: "Hm… ja", finish, tokens: { prompt: 10, cached: 6, generated: 4 } });
      expect(all.error).toBeUndefined();
    }
  });

  test("says the same byte by byte", async () => {
    const all = await hear(endpoint, [...bytes].map((byte) => Uint8Array.of(byte)));
    expect(all).toMatchObject({ text: "Grüße 🦥", reasoning: "Hm… ja" });
  });
});

test("llama.cpp's timings are taken, and its counts where there is no usage", async () => {
  const chunk = { choices: [{ delta: {}, finish_reason: "length" }], timings: { cache_n: 6, prompt_n: 4, prompt_ms: 10, prompt_per_second: 400, predicted_n: 3, predicted_per_second: 50.5 } };
  expect(heardIn("chat", JSON.stringify(chunk))).toEqual({ finish: "length", tokens: { prompt: 10, cached: 6, generated: 3 }, timings: { read: 0.01, prefill: 400, decode: 50.5 } });
});

test.each<[Endpoint, string, string]>([
  ["chat", `{"error":{"message":"out of memory","code":500}}`, "out of memory"],
  ["chat", `{"error":"broken"}`, "broken"],
  ["messages", `{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`, "busy"],
  ["responses", `{"type":"response.failed","response":{"error":{"message":"crashed"}}}`, "crashed"],
  ["responses", `{"type":"error","message":"no"}`, "no"],
])("a failure inside a stream of %s is told: %s", (endpoint, data, error) => {
  expect(heardIn(endpoint, data)).toEqual({ error });
});

test("what is no JSON is an error, not an exception", () => {
  expect(heardIn("chat", "<html>").error).toContain("<html>");
});

test("an answer that is cut short says why", () => {
  expect(heardIn("responses", `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`).finish).toBe("max_output_tokens");
});

test("answers that come whole are understood", () => {
  expect(heardWhole("chat", { choices: [{ message: { content: "a", reasoning_content: "r" }, finish_reason: "stop" }] })).toMatchObject({ text: "a", reasoning: "r", finish: "stop" });
  expect(heardWhole("messages", { content: [{ type: "thinking", thinking: "r" }, { type: "text", text: "a" }], stop_reason: "end_turn" })).toMatchObject({ text: "a", reasoning: "r" });
  expect(heardWhole("responses", { status: "completed", output: [{ type: "message", content: [{ type: "output_text", text: "a" }] }] })).toMatchObject({ text: "a", finish: "completed" });
});

const PICTURE = "data:image/png;base64,AAAA";

test("a conversation in the words of each API", () => {
  const said = [
    { role: "user" as const, text: "What is this?", images: [PICTURE] },
    { role: "assistant" as const, text: "A cat.", images: [] },
  ];
  expect(conversation("chat", "Be brief.", said)).toMatchObject({
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url: PICTURE } }] },
      { role: "assistant", content: "A cat." },
    ],
    stream: true,
    stream_options: { include_usage: true },
  });
  expect(conversation("messages", "Be brief.", said)).toMatchObject({
    system: "Be brief.",
    messages: [{ content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } }, { type: "text", text: "What is this?" }] }, { content: "A cat." }],
  });
  expect(conversation("responses", "Be brief.", said)).toMatchObject({
    instructions: "Be brief.",
    input: [{ content: [{ type: "input_text", text: "What is this?" }, { type: "input_image", image_url: PICTURE }] }, { content: "A cat." }],
  });
});

test("questions whose answers failed become one, because templates want turns", () => {
  const said = ["one", "two"].map((text) => ({ role: "user" as const, text, images: [] }));
  expect(conversation("chat", "", said)).toMatchObject({ messages: [{ role: "user", content: "one\n\ntwo" }] });
});
