// Everything that this page keeps in the browser, as one file: choices, and the playground's chats. API keys are not kept, so
// they are not in it.
import { exportAll, importAll, resetAll } from "../../lib/storage";
import { chatOf } from "../../playground/chat/importing";
import * as shelf from "../../playground/chat/shelf";
import type { Chat } from "../../playground/chat/tree";
import { merged } from "../../playground/chat/unsaved";

const MARK = "swapyard.page";

/** JSON. Where the browser keeps no chats there are none in it. */
export async function pack(): Promise<string> {
  return JSON.stringify({ kind: MARK, settings: exportAll(), chats: await shelf.all().catch(() => []) }, null, 2);
}

/** Choices are replaced; a chat that is here already gains what the file's has beyond it. Throws, before anything is changed, with what is wrong. */
export async function unpack(text: string): Promise<void> {
  const { settings, chats } = packed(text);
  for (const chat of chats) await shelf.change(chat.id, (kept) => merged(kept, chat));
  importAll(settings);
}

export function packed(text: string): { settings: Record<string, unknown>; chats: Chat[] } {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`It is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (!isRecord(found) || found.kind !== MARK) throw new Error(`It is no export of these settings: “kind” is not “${MARK}”. Chats are imported in the playground.`);
  if (!isRecord(found.settings)) throw new Error("“settings” has to be an object.");
  if (!Array.isArray(found.chats)) throw new Error("“chats” has to be a list.");
  return { settings: found.settings, chats: found.chats.map((chat, at) => chatOf(chat, `chats[${at}]`)) };
}

/** As if this browser had never been here. Chats only `withChats`. */
export async function reset(withChats: boolean): Promise<void> {
  if (withChats) await (await import("../../playground/chat/chats.svelte")).chats.clear();
  resetAll();
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
