import { expect, test } from "vitest";
import { above, matches, tree } from "./json_tree";

const root = tree({ model: "hare", messages: [{ role: "user", content: "Who is HARE?" }], n: 1, none: null });

test("branches say how much is in them, leaves what they are", () => {
  expect(root.text).toBe("4 fields");
  expect(root.children.map(({ key, kind, text }) => `${key} ${kind} ${text}`)).toEqual(['model string "hare"', "messages array 1 item", "n number 1", "none null null"]);
});

test("a search finds keys and values in any case, and knows the way to them", () => {
  expect(matches(root, "hare")).toEqual(["$/model", "$/messages/0/content"]);
  expect(matches(root, "ROLE")).toEqual(["$/messages/0/role"]);
  expect(matches(root, "")).toEqual([]);
  expect(above("$/messages/0/role")).toEqual(["$", "$/messages", "$/messages/0"]);
});

test("a huge value is cut, and says so", () => {
  expect(tree(Array.from({ length: 9000 }, (_, at) => at)).text).toMatch(/^9000 items, \d+ not shown$/);
});
