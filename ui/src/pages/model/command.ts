// What a command line says of a model: its options, as far as they can be told without knowing the program.
import type { ModelParameter } from "../../lib/api.gen";

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

function isOption(word: string): boolean {
  return /^--?[A-Za-z]/.test(word);
}

function split(word: string): [string, string | undefined] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}
