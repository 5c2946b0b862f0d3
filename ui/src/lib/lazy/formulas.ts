// Formulas in Markdown: $…$ and \(…\) in a line, $$…$$ and \[…\] on their own. They become empty-handed spans that carry their
// TeX; who shows them draws it.
import type { MarkedExtension, Tokens } from "marked";

interface Formula extends Tokens.Generic {
  tex: string;
  isDisplay: boolean;
}

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
// A dollar is money where a digit follows its partner, or a space stands inside.
const INLINE = /^(?:\$\$([^$]+?)\$\$|\$(?!\s)((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d)|\\\(([\s\S]+?)\\\)|\\\[([\s\S]+?)\\\])/;

export const formulas: MarkedExtension = {
  extensions: [
    {
      name: "formulaBlock",
      level: "block",
      start: (text: string) => /\$\$|\\\[/.exec(text)?.index,
      tokenizer(text: string): Formula | undefined {
        const found = BLOCK.exec(text);
        return found ? { type: "formulaBlock", raw: found[0], tex: (found[1] ?? found[2] ?? "").trim(), isDisplay: true } : undefined;
      },
      renderer: (token) => `<p>${span(token as Formula)}</p>`,
    },
    {
      name: "formula",
      level: "inline",
      start: (text: string) => /\$|\\\(|\\\[/.exec(text)?.index,
      tokenizer(text: string): Formula | undefined {
        const found = INLINE.exec(text);
        if (!found) return undefined;
        const tex = found[1] ?? found[2] ?? found[3] ?? found[4] ?? "";
        return { type: "formula", raw: found[0], tex: tex.trim(), isDisplay: found[1] !== undefined || found[4] !== undefined };
      },
      renderer: (token) => span(token as Formula),
    },
  ],
};

function span({ tex, isDisplay, raw }: Formula): string {
  const plain = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
  return `<span class="formula" data-tex="${plain(tex)}"${isDisplay ? ' data-display="1"' : ""}>${plain(raw.trim())}</span>`;
}
