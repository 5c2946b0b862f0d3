import { expect, test } from "vitest";
import type { ActivityRow } from "../../lib/api.gen";
import { promptFacts } from "./prompt_facts";

function told(tokens: Partial<ActivityRow["tokens"]>, prompt_tokens?: number): string[] {
  const row = { tokens: { input_tokens: 0, cache_tokens: 0, prompt_per_second: 0, ...tokens }, timing: prompt_tokens === undefined ? undefined : { prompt_tokens } };
  return promptFacts(row as ActivityRow).map(({ name, value }) => `${name}: ${value}`);
}

test("the speed stands with the tokens that were read, not with those from the cache", () => {
  expect(told({ input_tokens: 1, cache_tokens: 6, prompt_per_second: 187.2 }, 7)).toEqual(["Prompt: 7 tokens, 6 of them from the cache", "Read anew: 1 token at 187.2 tokens/s"]);
  expect(told({ input_tokens: 4, prompt_per_second: 100 }, 4)).toEqual(["Prompt: 4 tokens at 100.0 tokens/s"]);
});

test("what came from the cache whole was not read", () => {
  expect(told({ cache_tokens: 6, prompt_per_second: 50 }, 6)).toEqual(["Prompt: 6 tokens, 6 of them from the cache", "Read anew: "]);
});

test("a row of another program may count without its cache", () => {
  expect(told({ input_tokens: 1, cache_tokens: 6, prompt_per_second: 50 })).toEqual(["Prompt: 1 token at 50.0 tokens/s"]);
});
