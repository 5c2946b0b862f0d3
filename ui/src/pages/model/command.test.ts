import { expect, test } from "vitest";
import { contextOf, optionsOf } from "./command";

test("options and their values are read as shells do", () => {
  const found = optionsOf(`llama-server -m '/a b/c.gguf' --ctx-size=32768 -ngl 99 --flash-attn --temp -0.5 --api-key *** --note "it \\"is\\""`);
  expect(Object.fromEntries(found.map(({ name, value }) => [name, value]))).toEqual({
    "-m": "/a b/c.gguf", "--ctx-size": "32768", "-ngl": "99", "--flash-attn": "on", "--temp": "-0.5", "--api-key": "***", "--note": 'it \\"is\\"',
  });
});

test("without options there is nothing to tell", () => expect(optionsOf("serve now")).toEqual([]));

test.each([
  ["llama-server -m a.gguf -c 8192 -ngl 99", 8192],
  ["llama-server --ctx-size=32768", 32768],
  ["llama-server -c 4096 -c 16384", 16384],
  ["vllm serve a --max-model-len 65536", 65536],
  ["llama-server -c 0", null],
  ["bash -c 'llama-server'", null],
  ["llama-server", null],
])("the context of %s", (command, tokens) => expect(contextOf(command)).toBe(tokens));
