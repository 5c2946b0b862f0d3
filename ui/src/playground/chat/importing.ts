// Chats out of files as `asJson` writes them. Files come from anywhere: everything is checked, and what is wrong is told by its place.
import { ENDPOINT_PATHS, type Endpoint } from "../dialects";
import type { Numbers } from "../numbers";
import { PARAMETERS, type Values } from "./parameters";
import type { Answer, Chat, ChatSettings, How, Node, Question } from "./tree";

const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,/;
const NUMBERS = ["prompt", "cached", "generated", "prefill", "decode", "firstToken", "wait"] as const;

/** One chat, or a list of them. Throws with what is wrong, and where. */
export function chatsIn(text: string): Chat[] {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`It is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return Array.isArray(found) ? found.map((each, at) => chatOf(each, `[${at}]`)) : [chatOf(found)];
}

/** `place`: where it stands in its file; "": it is the file. */
export function chatOf(value: unknown, place = ""): Chat {
  if (!isRecord(value)) throw new Error(`${place || "It"} has to be a chat: an object with a “title” and “nodes”.`);
  const fields = new Fields(value, place);
  const nodes: Node[] = [];
  const known = new Set<string>();
  fields.list("nodes").forEach((each, at) => {
    const node = nodeOf(new Fields(each, `${fields.at("nodes")}[${at}]`), known);
    known.add(node.id);
    nodes.push(node);
  });
  const shown = Object.entries(fields.record("shown", {})).filter((entry): entry is [string, string] => typeof entry[1] === "string" && known.has(entry[1]));
  return {
    id: fields.id(),
    title: fields.text("title").slice(0, 120) || "Chat",
    isNamed: fields.flag("isNamed"),
    created: fields.number("created", Date.now()),
    changed: fields.number("changed", Date.now()),
    nodes,
    shown: Object.fromEntries(shown),
    settings: settingsOf(new Fields(fields.record("settings", {}), fields.at("settings"))),
  };
}

/** A parent stands before its children, so no chat can be its own ancestor. */
function nodeOf(fields: Fields, known: ReadonlySet<string>): Node {
  const id = fields.id();
  if (known.has(id)) throw fields.fault("id", `to be another one: a message before it is called “${id}” too`);
  const parent = fields.value("parent");
  if (parent !== null && !(typeof parent === "string" && known.has(parent))) throw fields.fault("parent", "to be null, or the “id” of a message before it");
  const turn = { id, parent, at: fields.number("at", 0), text: fields.text("text") };
  const role = fields.oneOf("role", ["user", "assistant"] as const);
  return role === "user" ? questionOf(fields, turn) : answerOf(fields, turn);
}

function questionOf(fields: Fields, turn: Pick<Question, "id" | "parent" | "at" | "text">): Question {
  const images = fields.value("images") ?? [];
  if (!Array.isArray(images) || !images.every((url): url is string => typeof url === "string" && PICTURE.test(url))) throw fields.fault("images", "to be a list of PNG, JPEG, GIF or WebP pictures as data URLs");
  return { ...turn, role: "user", images };
}

function answerOf(fields: Fields, turn: Pick<Answer, "id" | "parent" | "at" | "text">): Answer {
  const error = fields.record("error", null);
  const numbers = fields.record("numbers", null);
  const beside = fields.text("beside", "");
  const how = fields.record("how", null);
  return {
    ...turn,
    role: "assistant",
    model: fields.text("model"),
    endpoint: fields.oneOf("endpoint", ENDPOINTS, "chat"),
    reasoning: fields.text("reasoning", ""),
    reasoned: fields.number("reasoned", 0),
    loading: fields.text("loading", ""),
    error: error && { message: String(error.message), status: Number(error.status) || 0 },
    numbers: numbers && numbersOf(new Fields(numbers, fields.at("numbers"))),
    ...(how ? { how: howOf(new Fields(how, fields.at("how"))) } : {}),
    ...(beside ? { beside } : {}),
  };
}

function numbersOf(fields: Fields): Numbers {
  const found = Object.fromEntries(NUMBERS.map((name) => [name, fields.value(name) == null ? null : fields.number(name, 0)]));
  const server = fields.value("server") == null ? {} : { server: fields.number("server", 0) };
  return { ...(found as Omit<Numbers, "total" | "finish" | "isEstimate">), ...server, total: fields.number("total", 0), finish: fields.text("finish", ""), isEstimate: fields.flag("isEstimate") };
}

const ENDPOINTS = Object.keys(ENDPOINT_PATHS) as Endpoint[];

function settingsOf(fields: Fields): ChatSettings {
  return {
    model: fields.text("model", ""),
    second: fields.text("second", ""),
    endpoint: fields.oneOf("endpoint", ENDPOINTS, "chat"),
    ...howOf(fields),
  };
}

function howOf(fields: Fields): How {
  const typed = Object.entries(fields.record("values", {})).filter(([id, value]) => typeof value === "string" && PARAMETERS.some((parameter) => parameter.id === id));
  return { system: fields.text("system", ""), values: Object.fromEntries(typed) as Values, extra: fields.text("extra", "") };
}

/** An object of the file, and where in it it stands. Without `otherwise` a field has to be there. */
class Fields {
  readonly #values: Record<string, unknown>;

  constructor(
    values: unknown,
    readonly place: string,
  ) {
    if (!isRecord(values)) throw new Error(`“${place}” has to be an object.`);
    this.#values = values;
  }

  at(name: string): string {
    return this.place ? `${this.place}.${name}` : name;
  }

  fault(name: string, what: string): Error {
    return new Error(`“${this.at(name)}” ${this.#values[name] === undefined ? "is missing; it has" : "has"} ${what}.`);
  }

  value(name: string): unknown {
    return this.#values[name];
  }

  id(): string {
    const found = this.text("id");
    if (!/^[\w-]{1,64}$/.test(found)) throw this.fault("id", "to be of letters and digits");
    return found;
  }

  text(name: string, otherwise?: string): string {
    const found = this.#values[name] ?? otherwise;
    if (typeof found !== "string") throw this.fault(name, "to be a text");
    return found;
  }

  number(name: string, otherwise: number): number {
    const found = this.#values[name] ?? otherwise;
    if (typeof found !== "number") throw this.fault(name, "to be a number");
    return found;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  oneOf<T extends string>(name: string, choices: readonly T[], otherwise?: T): T {
    const found = choices.find((choice) => choice === (this.#values[name] ?? otherwise));
    if (found === undefined) throw this.fault(name, `to be one of ${choices.map((choice) => `“${choice}”`).join(", ")}`);
    return found;
  }

  list(name: string): unknown[] {
    const found = this.#values[name];
    if (!Array.isArray(found)) throw this.fault(name, "to be a list");
    return found;
  }

  record<T extends object | null>(name: string, otherwise: T): Record<string, unknown> | T {
    const found = this.#values[name] ?? otherwise;
    if (found !== otherwise && !isRecord(found)) throw this.fault(name, "to be an object");
    return found as Record<string, unknown> | T;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
