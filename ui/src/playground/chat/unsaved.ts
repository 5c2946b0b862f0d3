// What the shelf may not hold yet. A browser drops database writes that are under way when their page is left, so every change
// lies here first, in localStorage, whose writes survive; it goes as soon as the shelf has it. What is found at a start was lost.
import * as shelf from "./shelf";
import type { Chat, Node } from "./tree";

// Not among the settings that the page exports: nobody else can do anything with it.
const PREFIX = "swapyard.unsaved.";
const DELETED = "deleted";

/** Keeps the nodes of `chat` that are not among `known`, and what else there is of it. Pictures only where there is room. */
export function note(chat: Chat, known: ReadonlySet<string>): void {
  const nodes = chat.nodes.filter((node) => !known.has(node.id));
  if (put(chat.id, JSON.stringify({ ...chat, nodes }))) return;
  put(chat.id, JSON.stringify({ ...chat, nodes: nodes.map((node) => (node.role === "user" ? { ...node, images: [] } : node)) }));
}

export function noteDeleted(id: string): void {
  put(id, JSON.stringify(DELETED));
}

/** The shelf has it. */
export function forget(id: string): void {
  try {
    localStorage.removeItem(PREFIX + id);
  } catch {
    // Not allowed here: there is nothing to forget.
  }
}

export function clear(): void {
  for (const [id] of noted()) forget(id);
}

/** Brings the shelf up to what was noted. Rejects where the browser keeps nothing. */
export async function recover(): Promise<void> {
  for (const [id, part] of noted()) {
    if (part === DELETED) await shelf.remove(id);
    else if (part) await shelf.change(id, (kept) => merged(kept, part));
    forget(id);
  }
}

/** `kept` with what `part` says beyond it. Of two versions of a message the newer chat's one stands. */
export function merged(kept: Chat | undefined, part: Chat): Chat {
  if (!kept) return part;
  const [newer, older] = kept.changed > part.changed ? [kept, part] : [part, kept];
  const told = new Map<string, Node>(newer.nodes.map((node) => [node.id, node]));
  const known = new Set(kept.nodes.map((node) => node.id));
  const nodes = [...kept.nodes, ...part.nodes.filter((node) => !known.has(node.id))];
  return { ...older, ...newer, nodes: nodes.map((node) => told.get(node.id) ?? node) };
}

function noted(): [string, Chat | typeof DELETED | null][] {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    return keys.map((key) => [key.slice(PREFIX.length), read(key)]);
  } catch {
    return [];
  }
}

function read(key: string): Chat | typeof DELETED | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") as Chat | typeof DELETED | null;
  } catch {
    return null;
  }
}

function put(id: string, text: string): boolean {
  try {
    localStorage.setItem(PREFIX + id, text);
    return true;
  } catch {
    return false;
  }
}
