// What a command line says of a model: its options, as far as they can be told without knowing the program.
import type { ModelParameter } from "../../lib/api.gen";

const CONTEXT = ["-c", "--ctx-size", "--max-model-len", "--context-length"];

/** `--ctx-size 32768`, `--ctx-size=32768`, `-ngl 99`, `--flash-attn`. A flag without a value has "on". */
export function optionsOf(command: string): ModelParameter[] {
  const words = [...command.matchAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|(\S+)/g)].map((found) => found[1] ?? found[2] ?? found[3] ?? "");
  const found: ModelParameter[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (!isOption(word)) continue;
    const [name = "", inside] = split(word);
    const next = words[at + 1];
    const hasNext = inside === undefined && next !== undefined && !isOption(next);
    found.push({ name, value: inside ?? (hasNext ? next : "on") });
    if (hasNext) at += 1;
  }
  return found;
}

/** How many tokens of context a command asks for: llama.cpp's options, vLLM's and SGLang's. Null where it does not say. */
export function contextOf(command: string): number | null {
  const asked = optionsOf(command).findLast(({ name }) => CONTEXT.includes(name))?.value ?? "";
  return /^[1-9]\d*$/.test(asked) ? Number(asked) : null;
}

function isOption(word: string): boolean {
  return /^--?[A-Za-z]/.test(word);
}

function split(word: string): [string, string | undefined] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}
