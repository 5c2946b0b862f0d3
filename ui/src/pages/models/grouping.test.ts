import { expect, test } from "vitest";
import type { CatalogEntry, ModelStatus } from "../../lib/api.gen";
import { type Grouping, familyOf, parted } from "./grouping";

const MODELS = ["qwen2.5", "b/Qwen3-coder", "llama", "7b"].map((id) => ({ id, name: "", description: "", state: "stopped", unlisted: false, peerID: "" }) satisfies ModelStatus);
const ENTRIES: Record<string, CatalogEntry> = {
  "qwen2.5": { id: "qwen2.5", group: "chat", tags: ["small", "code"] },
  "b/Qwen3-coder": { id: "b/Qwen3-coder", group: "big", tags: ["code"] },
  llama: { id: "llama", family: "Herd" },
};
const lines = (by: Grouping | null): string[] => parted(MODELS, by, (id) => ENTRIES[id]).map((part) => ("model" in part ? part.model.id : `${part.heading} ${part.count}`));

test.each([
  ["org/Qwen2.5-coder:7b", "qwen"],
  ["gpt-oss-120b", "gpt"],
  ["7b", ""],
  ["été-2", "été"],
])("%s is of the family %o", (id, family) => expect(familyOf(id)).toBe(family));

test("without a grouping there are no headings", () => expect(lines(null)).toEqual(MODELS.map(({ id }) => id)));

test("parts come by name, those of none last, each in the list's order", () => {
  expect(lines("family")).toEqual(["Herd 1", "llama", "qwen 2", "qwen2.5", "b/Qwen3-coder", "No family 1", "7b"]);
  expect(lines("group")).toEqual(["big 1", "b/Qwen3-coder", "chat 1", "qwen2.5", "No group 2", "llama", "7b"]);
});

test("a model stands under each of its tags, with a key of its own", () => {
  expect(lines("tag")).toEqual(["code 2", "qwen2.5", "b/Qwen3-coder", "small 1", "qwen2.5", "No tag 2", "llama", "7b"]);
  const keys = parted(MODELS, "tag", (id) => ENTRIES[id]).map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
});
