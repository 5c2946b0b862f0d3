import { describe, expect, test } from "vitest";
import { draftOf, keepDraft } from "./drafts";
import { asMarkdown, fileName } from "./exporting";
import { PARAMETERS, extraOf, faultOf, sampling } from "./parameters";
import { LARGEST, accepted } from "../picture_files";
import { type Answer, type Chat, type Question, before, besides, branches, path, said, titleOf } from "./tree";
import { merged } from "./unsaved";

function question(id: string, parent: string | null, text = id): Question {
  return { id, role: "user", parent, at: 0, text, images: [] };
}

function answer(id: string, parent: string, more: Partial<Answer> = {}): Answer {
  return { id, role: "assistant", parent, at: 0, model: "hare", endpoint: "chat", text: id, reasoning: "", reasoned: 0, loading: "", error: null, numbers: null, ...more };
}

function chat(nodes: Chat["nodes"], shown: Chat["shown"] = {}): Chat {
  const settings = { model: "hare", second: "", endpoint: "chat" as const, system: "", values: {}, extra: "" };
  return { id: "c", title: "T", isNamed: false, created: 0, changed: 0, nodes, shown, settings };
}

const ids = (nodes: readonly { id: string }[]): string[] => nodes.map((node) => node.id);

describe("a conversation", () => {
  const tree = [question("q1", null), answer("a1", "q1"), question("q2", "a1"), answer("a2", "q2"), question("q2b", "a1"), answer("a2b", "q2b")];

  test("shows the newest branch, until another one is chosen", () => {
    expect(ids(path(chat(tree)))).toEqual(["q1", "a1", "q2b", "a2b"]);
    expect(ids(path(chat(tree, { a1: "q2" })))).toEqual(["q1", "a1", "q2", "a2"]);
  });

  test("keeps every branch", () => {
    const found = branches(chat(tree), tree[4]!);
    expect([ids(found.all), found.at]).toEqual([["q2", "q2b"], 1]);
  });

  test("asks with what stands before", () => {
    expect(ids(before(chat(tree), tree[5]!))).toEqual(["q1", "a1", "q2b"]);
  });

  test("counts answers that stand beside each other as one branch", () => {
    const compared = [question("q", null), answer("x1", "q", { beside: "g" }), answer("x2", "q", { beside: "g" }), answer("y", "q")];
    expect(ids(besides(chat(compared), compared[2] as Answer))).toEqual(["x1", "x2"]);
    expect(branches(chat(compared), compared[2]!)).toMatchObject({ at: 0 });
    expect(branches(chat(compared), compared[2]!).all).toHaveLength(2);
  });

  test("sends no errors, no reasoning and no loading text", () => {
    const failed = answer("f", "q1", { text: "", error: { message: "out of memory", status: 500 }, reasoning: "hm", loading: "…" });
    const broken = answer("b", "q2", { text: "half an", error: { message: "broke off", status: 0 }, reasoning: "hm" });
    expect(said([question("q1", null), failed, question("q2", "f"), broken])).toEqual([
      { role: "user", text: "q1", images: [] },
      { role: "user", text: "q2", images: [] },
      { role: "assistant", text: "half an", images: [] },
    ]);
  });

  test("is named after what was asked first", () => {
    expect(titleOf("  Why?\nBecause.")).toBe("Why?");
    expect(titleOf("x".repeat(100))).toHaveLength(58);
    expect(titleOf("")).toBe("Pictures");
  });
});

describe("sampling", () => {
  test("only what was typed is sent, as numbers", () => {
    expect(sampling("chat", { temperature: "0.7", top_k: "40", seed: "", stop: "END\n\nSTOP" })).toEqual({ temperature: 0.7, top_k: 40, stop: ["END", "STOP"] });
  });

  test("each API gets its own names, and nothing that it does not know", () => {
    const values = { max_tokens: "100", min_p: "0.1", stop: "END" };
    expect(sampling("chat", values)).toEqual({ max_tokens: 100, min_p: 0.1, stop: ["END"] });
    expect(sampling("messages", values)).toEqual({ max_tokens: 100, stop_sequences: ["END"] });
    expect(sampling("responses", values)).toEqual({ max_output_tokens: 100 });
  });

  test("messages always says how long an answer may be", () => {
    expect(sampling("messages", {})).toEqual({ max_tokens: 4096 });
  });

  test("JSON mode and reasoning effort", () => {
    const values = { format: "json", reasoning_effort: "low" };
    expect(sampling("chat", values)).toEqual({ response_format: { type: "json_object" }, reasoning_effort: "low" });
    expect(sampling("responses", values)).toEqual({ text: { format: { type: "json_object" } }, reasoning: { effort: "low" } });
  });

  test("what is wrong is said, and not sent", () => {
    const temperature = PARAMETERS.find((parameter) => parameter.id === "temperature")!;
    expect(faultOf(temperature, "3")).toContain("2");
    expect(faultOf(temperature, "warm")).not.toBe("");
    expect(sampling("chat", { temperature: "3", top_k: "1.5" })).toEqual({});
  });

  test("extra JSON has to be an object", () => {
    expect(extraOf('{"a": [1]}')).toEqual({ a: [1] });
    expect(extraOf("  ")).toEqual({});
    expect(() => extraOf("[1]")).toThrow("object");
    expect(() => extraOf("{")).toThrow("JSON");
  });
});

describe("pictures", () => {
  const file = (name: string, type: string, size = 10): File => ({ name, type, size }) as File;

  test("five of the right kind and size go along", () => {
    const { good, faults } = accepted([file("a.png", "image/png"), file("b.svg", "image/svg+xml"), file("c.webp", "image/webp", LARGEST + 1)], 0);
    expect(ids(good.map((each) => ({ id: each.name })))).toEqual(["a.png"]);
    expect(faults).toHaveLength(2);
    expect(accepted(Array.from({ length: 3 }, () => file("x.png", "image/png")), 4).good).toHaveLength(1);
  });
});

test("an exported chat has what is shown, with reasoning and failures apart", () => {
  const text = asMarkdown(chat([question("q1", null, "Why?"), answer("a", "q1", { text: "So.", reasoning: "hm", error: { message: "broke\noff", status: 0 } })]));
  expect(text).toContain("# T\n\n## You\n\nWhy?\n\n## hare");
  expect(text).toContain("<summary>Reasoning</summary>");
  expect(text).toContain("> Failed: broke\n> off");
  expect(fileName("Grüße: an/alle!", "md")).toMatch(/^gru\S*e-an-alle\.md$/);
});

describe("what was lost when the page was left", () => {
  test("is put where it belongs, and what is newer stands", () => {
    const kept = { ...chat([question("q", null), answer("a", "q", { text: "half" })]), changed: 5 };
    const part = { ...chat([answer("a", "q", { text: "half an answer" }), question("q2", "a")]), changed: 6, title: "New" };
    const both = merged(kept, part);
    expect(ids(both.nodes)).toEqual(["q", "a", "q2"]);
    expect([both.title, said(both.nodes).map((each) => each.text)]).toEqual(["New", ["q", "half an answer", "q2"]]);
    expect(said(merged({ ...kept, changed: 7 }, part).nodes).map((each) => each.text)).toEqual(["q", "half", "q2"]);
    expect(merged(undefined, part)).toBe(part);
  });
});

describe("drafts", () => {
  test("are kept by chat until they are empty", () => {
    keepDraft("", "of the new one");
    keepDraft("c", "of c");
    expect([draftOf(""), draftOf("c"), draftOf("other")]).toEqual(["of the new one", "of c", ""]);
    keepDraft("c", "");
    expect([draftOf(""), draftOf("c")]).toEqual(["of the new one", ""]);
  });
});
