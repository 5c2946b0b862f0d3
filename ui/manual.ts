// The documentation as HTML, made while the page is built: `import manual from "../docs/keys.md"` is what `Chapter` says. It is our
// own text, so it needs no sanitising, and a browser needs no markdown to show it.
import { Marked } from "marked";
import type { Plugin } from "vite";

export interface Chapter {
  title: string;
  /** Without its title; headings begin with h3. */
  html: string;
}

/** Files of docs/ that are of no use to who runs Swapyard. */
const INTERNAL = ["architecture", "benchmarks"];
const FILE = /\/docs\/([\w-]+)\.md$/;

export const manual: Plugin = {
  name: "manual",
  enforce: "pre",
  transform: (code, id) => (FILE.test(id) ? { code: `export default ${JSON.stringify(chapter(code))}`, map: null } : undefined),
};

function chapter(text: string): Chapter {
  const marked = new Marked({ gfm: true });
  let title = "";
  marked.use({
    renderer: {
      html: () => "",
      heading({ tokens, depth, text }) {
        if (depth === 1) title = text;
        return depth === 1 ? "" : `<h${depth + 1} id="${slug(text)}">${this.parser.parseInline(tokens)}</h${depth + 1}>`;
      },
      link({ href, tokens }) {
        const words = this.parser.parseInline(tokens);
        const address = addressOf(href);
        return address ? `<a href="${address}">${words}</a>` : words;
      },
    },
  });
  const html = marked.parse(text, { async: false });
  return { title, html: scrollable(html).replaceAll(/<th[^>]*><\/th>/g, "<td></td>") }; // a column without a word for it has no heading
}

/** What is wider than the window is scrolled, by keys too. */
function scrollable(html: string): string {
  return html.replaceAll("<table>", '<div class="wide slides" tabindex="0"><table>').replaceAll("</table>", "</table></div>").replaceAll("<pre>", '<pre class="slides" tabindex="0">');
}

/** "keys.md#ttl" is the chapter beside this one. What is no part of the manual has no address here. */
function addressOf(href: string): string | null {
  if (/^(https?:|#)/.test(href)) return href;
  const [, name, place = ""] = /^([\w-]+)\.md(#.*)?$/.exec(href) ?? [];
  return name && !INTERNAL.includes(name) ? name + place : null;
}

/** As code forges make them. */
function slug(text: string): string {
  return text.toLowerCase().replace(/[^\w\s-]/g, "").trim().replaceAll(/\s/g, "-");
}
