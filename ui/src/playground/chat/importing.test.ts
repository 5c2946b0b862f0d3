import { expect, test } from "vitest";
import { asJson } from "./exporting";
import { chatsIn } from "./importing";
import type { Chat } from "./tree";

const CHAT: Chat = {
  id: "c",
  title: "T",
  isNamed: true,
  created: 1,
  changed: 2,
  nodes: [
    { id: "q", role: "user", parent: null, at: 1, text: "Who?", images: ["data:image/png;base64,iVBOR"] },
    { id: "a", role: "assistant", parent: "q", at: 2, model: "hare", endpoint: "messages", text: "Me.", reasoning: "Hm", reasoned: 0.5, loading: "", error: null, numbers: { prompt: 3, cached: null, generated: 2, prefill: null, decode: 9.5, firstToken: 0.1, wait: null, total: 1, finish: "stop", isEstimate: true }, beside: "g" },
    { id: "b", role: "assistant", parent: "q", at: 2, model: "owl", endpoint: "chat", text: "", reasoning: "", reasoned: 0, loading: "", error: { message: "No", status: 500 }, numbers: null, beside: "g" },
  ],
  shown: { "": "q", q: "b" },
  settings: { model: "hare", second: "owl", endpoint: "chat", system: "Be brief.", values: { temperature: "0.3" }, extra: "" },
};

const changed = (change: (chat: { nodes: object[]; settings: object }) => void): string => {
  const chat = structuredClone(CHAT);
  change(chat);
  return JSON.stringify(chat);
};

test("what was exported comes back as it was, alone or in a list", () => {
  expect(chatsIn(asJson(CHAT))).toEqual([CHAT]);
  expect(chatsIn(`[${asJson(CHAT)}, ${asJson(CHAT)}]`)).toEqual([CHAT, CHAT]);
});

test("what is missing without harm is filled in", () => {
  const { settings, nodes } = chatsIn('{"id": "x", "title": "", "nodes": [{"id": "q", "role": "user", "parent": null, "text": "Hi"}]}')[0]!;
  expect([settings.endpoint, nodes[0]]).toEqual(["chat", { id: "q", role: "user", parent: null, at: 0, text: "Hi", images: [] }]);
});

test.each([
  ["not json", /^It is not JSON: /],
  ["[1]", /^\[0\] has to be a chat/],
  ["null", /^It has to be a chat/],
  ["{}", /^“nodes” is missing; it has to be a list\.$/],
  [changed((chat) => Object.assign(chat, { title: 5 })), /^“title” has to be a text\.$/],
  [changed((chat) => Object.assign(chat, { id: "../x" })), /^“id” has to be of letters and digits\.$/],
  [changed((chat) => Object.assign(chat.nodes[0]!, { role: "system" })), /^“nodes\[0\]\.role” has to be one of “user”, “assistant”\.$/],
  [changed((chat) => Object.assign(chat.nodes[0]!, { images: ["https://x/y.png"] })), /^“nodes\[0\]\.images” has to be a list of PNG/],
  [changed((chat) => Object.assign(chat.nodes[0]!, { parent: "a" })), /^“nodes\[0\]\.parent” has to be null, or the “id” of a message before it\.$/],
  [changed((chat) => Object.assign(chat.nodes[2]!, { id: "a" })), /^“nodes\[2\]\.id” has to be another one/],
  [changed((chat) => Object.assign(chat.nodes[1]!, { model: undefined })), /^“nodes\[1\]\.model” is missing; it has to be a text\.$/],
  [changed((chat) => Object.assign(chat.settings, { endpoint: "x" })), /^“settings\.endpoint” has to be one of/],
])("a bad file is told what is wrong with it: %s", (text, fault) => {
  expect(() => chatsIn(text)).toThrow(fault);
});
