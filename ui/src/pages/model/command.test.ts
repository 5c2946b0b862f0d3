import { expect, test } from "vitest";
import { optionsOf } from "./command";

test("options and their values are read as shells do", () => {
  const found = optionsOf(`llama-server -m '/a b/c.gguf' --ctx-size=32768 -ngl 99 --flash-attn --temp -0.5 --api-key *** --note "it \\"is\\""`);
  expect(Object.fromEntries(found.map(({ name, value }) => [name, value]))).toEqual({
    "-m": "/a b/c.gguf", "--ctx-size": "32768", "-ngl": "99", "--flash-attn": "on", "--temp": "-0.5", "--api-key": "***", "--note": 'it \\"is\\"',
  });
});

test("without options there is nothing to tell", () => expect(optionsOf("serve now")).toEqual([]));
