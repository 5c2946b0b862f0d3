// A conversation is a tree: editing a message and asking again add a branch, and nothing is erased. One path through it is shown.
import type { Endpoint, Said } from "../dialects";
import type { Numbers } from "../numbers";
import type { Values } from "./parameters";

interface Turn {
  id: string;
  /** null: the conversation begins with it. */
  parent: string | null;
  /** ms since the epoch. */
  at: number;
}

export interface Question extends Turn {
  role: "user";
  text: string;
  /** As data URLs. */
  images: string[];
}

/** What of a chat's settings went into a request. */
export type How = Pick<ChatSettings, "system" | "values" | "extra">;

export interface Answer extends Turn {
  role: "assistant";
  model: string;
  endpoint: Endpoint;
  /** Answers of older chats do not tell it. */
  how?: How;
  text: string;
  reasoning: string;
  /** Seconds. */
  reasoned: number;
  loading: string;
  error: { message: string; status: number } | null;
  numbers: Numbers | null;
  /** Answers of one comparison stand side by side. */
  beside?: string;
}

export type Node = Question | Answer;

export interface ChatSettings {
  model: string;
  /** Answers beside it; "": none does. */
  second: string;
  endpoint: Endpoint;
  system: string;
  values: Values;
  /** JSON, goes into the request as it is. */
  extra: string;
}

export interface Chat {
  id: string;
  title: string;
  /** Named by a person: it keeps its name. */
  isNamed: boolean;
  created: number;
  changed: number;
  nodes: Node[];
  /** Which child is shown, by parent ("" for the beginning); without an entry the last one is. */
  shown: Record<string, string>;
  settings: ChatSettings;
}

export function childrenOf(chat: Chat, parent: string | null): Node[] {
  return chat.nodes.filter((node) => node.parent === parent);
}

export function find(chat: Chat, id: string): Node | undefined {
  return chat.nodes.find((node) => node.id === id);
}

/** The nodes that are shown, from the beginning. */
export function path(chat: Chat): Node[] {
  const found: Node[] = [];
  const byParent = grouped(chat.nodes);
  for (let at: string | null = null; ; ) {
    const children: Node[] = byParent.get(at) ?? [];
    const next: Node | undefined = children.find((node) => node.id === chat.shown[at ?? ""]) ?? children.at(-1);
    if (!next) return found;
    found.push(next);
    at = next.id;
  }
}

function grouped(nodes: readonly Node[]): Map<string | null, Node[]> {
  const found = new Map<string | null, Node[]>();
  for (const node of nodes) {
    const known = found.get(node.parent);
    if (known) known.push(node);
    else found.set(node.parent, [node]);
  }
  return found;
}

/** What stands before `node`, from the beginning, without it. */
export function before(chat: Chat, node: Node): Node[] {
  const found: Node[] = [];
  for (let at = node.parent; at !== null; ) {
    const parent = find(chat, at);
    if (!parent) break;
    found.unshift(parent);
    at = parent.parent;
  }
  return found;
}

/** What is sent of these nodes: no reasoning, no errors, and nothing of an answer that has no text. */
export function said(nodes: readonly Node[]): Said[] {
  return nodes.flatMap((node): Said[] => {
    if (node.role === "user") return [{ role: "user", text: node.text, images: node.images }];
    return node.text ? [{ role: "assistant", text: node.text, images: [] }] : [];
  });
}

/** Where `node` stands among the branches at its place: `at` from 0. Answers of one comparison are one branch. */
export function branches(chat: Chat, node: Node): { all: Node[]; at: number } {
  const seen = new Set<string>();
  const all = childrenOf(chat, node.parent).filter((each) => {
    const group = each.role === "assistant" ? each.beside : undefined;
    if (!group) return true;
    if (seen.has(group)) return false;
    seen.add(group);
    return true;
  });
  const group = node.role === "assistant" ? node.beside : undefined;
  return { all, at: all.findIndex((each) => each.id === node.id || (group !== undefined && each.role === "assistant" && each.beside === group)) };
}

/** The answers that stand beside `node`, itself among them. */
export function besides(chat: Chat, node: Answer): Answer[] {
  if (!node.beside) return [node];
  return childrenOf(chat, node.parent).filter((each): each is Answer => each.role === "assistant" && each.beside === node.beside);
}

/** The beginning of what was asked first. */
export function titleOf(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line.length > 60 ? `${line.slice(0, 57).trimEnd()}…` : line || "Pictures";
}
