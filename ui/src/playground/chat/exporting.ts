// A chat as a file: Markdown of what is shown, for people; JSON of everything, branches and all.
import { type Chat, type Node, path } from "./tree";

export function asMarkdown(chat: Chat): string {
  const system = chat.settings.system.trim();
  return [`# ${chat.title}`, ...(system ? [`**System**\n\n${system}`] : []), ...path(chat).map(turn)].join("\n\n") + "\n";
}

function turn(node: Node): string {
  if (node.role === "user") return [`## You`, ...(node.text ? [node.text] : []), ...node.images.map((url, at) => `![Picture ${at + 1}](${url})`)].join("\n\n");
  const reasoning = node.reasoning.trim();
  return [
    `## ${node.model}`,
    ...(reasoning ? [`<details>\n<summary>Reasoning</summary>\n\n${reasoning}\n\n</details>`] : []),
    ...(node.text ? [node.text] : []),
    ...(node.error ? [`> Failed: ${node.error.message.replaceAll("\n", "\n> ")}`] : []),
  ].join("\n\n");
}

export function asJson(chat: Chat): string {
  return JSON.stringify(chat, null, 2);
}

/** A name for a file that every system takes. */
export function fileName(title: string, ending: string): string {
  const plain = title.normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60).toLowerCase();
  return `${plain || "chat"}.${ending}`;
}
