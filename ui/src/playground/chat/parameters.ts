// How an answer is sampled: every parameter, what each of the three APIs calls it, and what becomes of what was typed.
import type { Endpoint } from "../dialects";

export interface Parameter {
  id: string;
  label: string;
  hint: string;
  /** The name in the request; an endpoint that is not here does not know it. */
  names: Partial<Record<Endpoint, string>>;
  min?: number;
  max?: number;
  step?: number;
  /** A list of texts, one per line. */
  isList?: boolean;
  whole?: boolean;
  choices?: readonly string[];
}

/** What was typed, by parameter; what is missing is left to the model. */
export type Values = Record<string, string>;

const everywhere = (name: string): Parameter["names"] => ({ chat: name, messages: name, responses: name });

export const PARAMETERS: readonly Parameter[] = [
  { id: "temperature", label: "Temperature", hint: "0 is sober, 2 is wild", names: everywhere("temperature"), min: 0, max: 2, step: 0.05 },
  { id: "max_tokens", label: "Max tokens", hint: "The longest answer; messages needs one (4096)", names: { chat: "max_tokens", messages: "max_tokens", responses: "max_output_tokens" }, min: 1, step: 1, whole: true },
  { id: "top_p", label: "Top p", hint: "The likeliest tokens that make up this part", names: everywhere("top_p"), min: 0, max: 1, step: 0.01 },
  { id: "top_k", label: "Top k", hint: "Only so many of the likeliest tokens", names: { chat: "top_k", messages: "top_k" }, min: 0, step: 1, whole: true },
  { id: "min_p", label: "Min p", hint: "Not below this part of the likeliest", names: { chat: "min_p" }, min: 0, max: 1, step: 0.01 },
  { id: "typical_p", label: "Typical p", hint: "1 switches it off", names: { chat: "typical_p" }, min: 0, max: 1, step: 0.01 },
  { id: "presence_penalty", label: "Presence penalty", hint: "Against what was said at all", names: { chat: "presence_penalty" }, min: -2, max: 2, step: 0.05 },
  { id: "frequency_penalty", label: "Frequency penalty", hint: "Against what was said often", names: { chat: "frequency_penalty" }, min: -2, max: 2, step: 0.05 },
  { id: "repeat_penalty", label: "Repeat penalty", hint: "1 switches it off", names: { chat: "repeat_penalty" }, min: 0, max: 3, step: 0.01 },
  { id: "repeat_last_n", label: "Repeat window", hint: "Tokens that penalties look back; −1: all", names: { chat: "repeat_last_n" }, min: -1, step: 1, whole: true },
  { id: "seed", label: "Seed", hint: "The same seed, the same answer", names: { chat: "seed" }, min: -1, step: 1, whole: true },
  { id: "reasoning_effort", label: "Reasoning effort", hint: "For models that know it", names: { chat: "reasoning_effort", responses: "reasoning" }, choices: ["minimal", "low", "medium", "high"] },
  { id: "format", label: "Form of the answer", hint: "JSON: nothing but one object", names: { chat: "response_format", responses: "text" }, choices: ["json"] },
  { id: "stop", label: "Stop texts", hint: "One per line; the answer ends before them", names: { chat: "stop", messages: "stop_sequences" }, isList: true },
];

const LONGEST_OF_MESSAGES = 4096; // the API has no default of its own

/** What is wrong with what was typed; "" where nothing is. */
export function faultOf(parameter: Parameter, typed: string): string {
  if (!typed.trim() || parameter.isList || parameter.choices) return "";
  const value = Number(typed);
  if (!Number.isFinite(value)) return "This is not a number.";
  if (parameter.whole && !Number.isInteger(value)) return "Only a whole number.";
  if (parameter.min !== undefined && value < parameter.min) return `Not below ${parameter.min}.`;
  if (parameter.max !== undefined && value > parameter.max) return `Not above ${parameter.max}.`;
  return "";
}

/** What goes into the request. Faulty values and what the endpoint does not know stay out. */
export function sampling(endpoint: Endpoint, values: Values): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const parameter of PARAMETERS) {
    const name = parameter.names[endpoint];
    const typed = values[parameter.id] ?? "";
    if (!name || !typed.trim() || faultOf(parameter, typed)) continue;
    body[name] = valueOf(parameter, endpoint, typed);
  }
  if (endpoint === "messages") body.max_tokens ??= LONGEST_OF_MESSAGES;
  return body;
}

function valueOf(parameter: Parameter, endpoint: Endpoint, typed: string): unknown {
  if (parameter.isList) return typed.split("\n").filter((line) => line !== "");
  if (parameter.id === "format") return endpoint === "responses" ? { format: { type: "json_object" } } : { type: "json_object" };
  if (parameter.id === "reasoning_effort") return endpoint === "responses" ? { effort: typed } : typed;
  return parameter.choices ? typed : Number(typed);
}

/** The raw JSON that goes in besides. Throws with what is wrong with it. */
export function extraOf(text: string): Record<string, unknown> {
  if (!text.trim()) return {};
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Error('It has to be an object: {"name": value}');
  return found as Record<string, unknown>;
}
