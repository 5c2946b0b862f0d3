// What is typed and not sent yet, by chat: neither a reload nor a look at another chat takes it away. (Pictures are too large for it.)
import { load, save } from "../../lib/storage";

/** `id` "": a chat that has no messages yet. */
export function draftOf(id: string): string {
  return load<Record<string, string>>("playground.drafts", {})[id] ?? "";
}

export function keepDraft(id: string, text: string): void {
  const { [id]: before = "", ...others } = load<Record<string, string>>("playground.drafts", {});
  if (before !== text) save("playground.drafts", text ? { ...others, [id]: text } : others);
}
