// What a request's prompt was, in words.
import type { ActivityRow } from "../../lib/api.gen";
import { count, decimal } from "../../lib/format";

export interface Fact {
  name: string;
  value: string;
}

/** The engine's speed is that of the tokens it read, which those from its cache are not among. */
export function promptFacts({ timing, tokens: { input_tokens, cache_tokens, prompt_per_second } }: ActivityRow): Fact[] {
  const whole = timing?.prompt_tokens ?? input_tokens;
  if (cache_tokens <= 0 || cache_tokens > whole) return [{ name: "Prompt", value: tokens(whole, prompt_per_second) }];
  return [
    { name: "Prompt", value: `${tokens(whole)}, ${count(cache_tokens)} of them from the cache` },
    { name: "Read anew", value: tokens(whole - cache_tokens, prompt_per_second) },
  ];
}

/** "" for none. */
export function tokens(many: number, speed = 0): string {
  if (many <= 0) return "";
  return `${count(many)} ${many === 1 ? "token" : "tokens"}${speed > 0 ? ` at ${decimal(speed)} tokens/s` : ""}`;
}
