import { expect, test } from "vitest";
import { packed } from "./backup";

test("an export is taken apart", () => {
  const chat = { id: "x", title: "T", nodes: [] };
  const { settings, chats } = packed(JSON.stringify({ kind: "swapyard.page", settings: { theme: "dark" }, chats: [chat] }));
  expect([settings, chats[0]?.title]).toEqual([{ theme: "dark" }, "T"]);
});

test.each([
  ["nonsense", /^It is not JSON/],
  ['{"theme": "dark"}', /“kind” is not “swapyard.page”/],
  ['{"kind": "swapyard.page", "settings": [], "chats": []}', /^“settings” has to be an object/],
  ['{"kind": "swapyard.page", "settings": {}}', /^“chats” has to be a list/],
  ['{"kind": "swapyard.page", "settings": {}, "chats": [{"id": "x", "title": 1, "nodes": []}]}', /^“chats\[0\]\.title” has to be a text/],
])("a file that is none is told why: %s", (text, fault) => {
  expect(() => packed(text)).toThrow(fault);
});
