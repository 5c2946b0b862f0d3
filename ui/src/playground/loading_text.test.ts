import { expect, test } from "vitest";
import { LoadingSplitter, lastWords, placeIn } from "./loading_text";

const TEXT = "━━━━━\nswapyard is loading tortoise\n\nin the queue: #2 ...\nPolishing the embeddings. ..\ndone after 8.01 s\n━━━━━\n \n";
const REASONING = "The user asks ━━━ something.\n━━━━━\nThis line is mine.";

function split(pieces: readonly string[]): { loading: string; reasoning: string } {
  const splitter = new LoadingSplitter();
  const all = { loading: "", reasoning: "" };
  for (const told of [...pieces.map((piece) => splitter.feed(piece)), splitter.end()]) {
    all.loading += told.loading;
    all.reasoning += told.reasoning;
  }
  return all;
}

test("the text of a load is told from reasoning, wherever it is cut", () => {
  const whole = TEXT + REASONING;
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const { loading, reasoning } = split([whole.slice(0, cut), whole.slice(cut)]);
    expect(reasoning).toBe(REASONING);
    expect(loading).toContain("Polishing the embeddings.");
    expect(loading).not.toContain("━");
  }
});

test("a load that broke off after its first line is no reasoning", () => {
  expect(split(["━━━━━"])).toEqual({ loading: "", reasoning: "" });
});

test("reasoning without a load passes unchanged, dashes in it and all", () => {
  expect(split([...REASONING])).toEqual({ loading: "", reasoning: REASONING });
  expect(split(["━━", "━ is a dash"])).toEqual({ loading: "", reasoning: "━━━ is a dash" });
  expect(split(["━━"])).toEqual({ loading: "", reasoning: "━━" });
});

test("while it loads, it says so, and shows the line that is being typed", () => {
  const splitter = new LoadingSplitter();
  splitter.feed("━━━━━\nswapyard is loading x\nPoli");
  expect([splitter.isLoading, splitter.unfinished]).toEqual([true, "Poli"]);
  splitter.feed("shing\n━━━━━\n \n");
  expect([splitter.isLoading, splitter.isOver, splitter.unfinished]).toEqual([false, true, ""]);
});

test("its last words are neither places nor dots", () => {
  expect(lastWords("swapyard is loading x\n\nPolishing the embeddings. ...\nin the queue: #1 ...")).toBe("Polishing the embeddings");
  expect(lastWords("")).toBe("");
});

test("the last place in the queue that is told counts", () => {
  expect(placeIn("in the queue: #3 ...\nin the queue: #2 .")).toBe(2);
  expect(placeIn("done")).toBeNull();
});
