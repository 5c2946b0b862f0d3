import { expect, test } from "vitest";
import type { ModelStatus } from "../../lib/api.gen";
import { type Known, compare, matches } from "./filter";

function model(id: string, more: Partial<ModelStatus> = {}): ModelStatus {
  return { id, name: "", description: "", state: "stopped", unlisted: false, peerID: "", ...more };
}

const ALL = { text: "", state: "", capability: "", unlisted: false };

test.each([
  [model("qwen2.5", { aliases: ["Coder"] }), { text: "code QWEN" }, true],
  [model("qwen2.5"), { text: "qwen coder" }, false],
  [model("a", { unlisted: true }), {}, false],
  [model("a", { unlisted: true }), { unlisted: true }, true],
  [model("a", { capabilities: { vision: true } }), { capability: "vision" }, true],
  [model("a"), { capability: "vision" }, false],
  [model("a"), { state: "ready" }, false],
])("%o with %o", (shown, wanted, found) => expect(matches(shown, shown.state, { ...ALL, ...wanted })).toBe(found));

test("ready models stand first, then moving ones, each by name, and pinned ones before all", () => {
  const models = [model("b"), model("m10", { state: "ready" }), model("m9", { state: "ready" }), model("s", { state: "starting" }), model("z")];
  const known = (shown: ModelStatus): Known => ({ state: shown.state, memory: 0, used: 0, requests: 0, isPinned: shown.id === "z" });
  expect(models.sort(compare("state", "asc", known)).map(({ id }) => id)).toEqual(["z", "m9", "m10", "s", "b"]);
});

test("what is equal is in the order of names in either direction", () => {
  const known = (shown: ModelStatus): Known => ({ state: "", memory: shown.id === "c" ? 5 : 0, used: shown.id === "b" ? 9 : 0, requests: 0, isPinned: false });
  const ids = (order: "asc" | "desc") => [model("b"), model("a"), model("c")].sort(compare("memory", order, known)).map(({ id }) => id);
  expect([model("a"), model("b")].sort(compare("used", "desc", known)).map(({ id }) => id)).toEqual(["b", "a"]);
  expect(ids("desc")).toEqual(["c", "a", "b"]);
  expect(ids("asc")).toEqual(["a", "b", "c"]);
});
