import { expect, test } from "vitest";
import { ENDPOINTS, curl, javascript, langchain, python, usual } from "./snippets";

const where = { address: "http://host:1/prefix", model: `it's "a" model`, needsKey: true };

test.each(ENDPOINTS.map((endpoint) => [endpoint.id, endpoint] as const))("the programs for %s name the address, the model and the key", (_, endpoint) => {
  const programs = [curl(endpoint, where), python(endpoint, where), javascript(endpoint, where), langchain(endpoint, where)];
  for (const program of programs.filter((each) => each !== null)) {
    expect(program).toContain("http://host:1/prefix/v1");
    expect(program).toContain("SWAPYARD_KEY");
  }
  expect(curl(endpoint, { ...where, needsKey: false })).not.toContain("Authorization");
});

test("LangChain talks and embeds", () => {
  const found = ENDPOINTS.map((endpoint) => langchain(endpoint, { address: "http://host:1", model: "hare", needsKey: false }));
  expect(found.slice(2)).toEqual([null, null, null]);
  expect(found[0]).toBe(`from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="http://host:1/v1",
    api_key="none",
    model="hare",
)
print(model.invoke("Hello!").content)`);
  expect(found[1]).toContain("check_embedding_ctx_length=False");
});

test("quotes in a model's name end no text", () => {
  const chat = ENDPOINTS[0]!;
  expect(curl(chat, where)).toContain(`it'\\''s \\"a\\" model`);
  expect(python(chat, where)).toContain(String.raw`model="it's \"a\" model"`);
});

test("what a model can do decides how it is asked", () => {
  expect(usual({ reranker: true })).toBe("rerank");
  expect(usual({ vision: true })).toBe("chat");
  expect(usual()).toBe("chat");
});
