// What models say, as HTML: the only place where untrusted text becomes markup. `clean` is the one sanitising function.
//
// Raw HTML in an answer is shown as the text it is. What marked makes goes through DOMPurify all the same, which lets a short
// list of elements and attributes pass. Formulas and code are marked here and drawn later (`decorate`). Pictures that answers
// link to are not fetched: that would tell somebody else that the answer was read.
import DOMPurify from "dompurify";
import { Marked, type Token, type TokensList } from "marked";
import { formulas } from "./formulas";

const TAGS = ["a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "input", "li", "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"];
const ATTRIBUTES = ["align", "checked", "class", "data-display", "data-tex", "disabled", "href", "rel", "start", "target", "title", "type"];
const CLASSES = /^(hljs[\w-]*|language-[\w+#.-]+|formula|function_|class_|inherited__|constant_)$/;

const purify = DOMPurify(window);

purify.addHook("uponSanitizeAttribute", (_node, data) => {
  // Classes of the page would let an answer look like a part of it.
  if (data.attrName === "class") data.attrValue = data.attrValue.split(/\s+/).filter((name) => CLASSES.test(name)).join(" ");
});
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  // The only fields are the boxes of task lists.
  if (node.nodeName === "INPUT") {
    if (node.getAttribute("type") !== "checkbox") node.remove();
    else node.setAttribute("disabled", "");
  }
});

/** HTML of which nothing can run, load, submit or look like the page's own controls. */
export function clean(html: string): string {
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    // These hold no addresses; everything else that is no plain text has to begin like one.
    ADD_URI_SAFE_ATTR: ["align", "data-display", "data-tex", "start", "type"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  });
}

const marked = new Marked({ gfm: true, breaks: false });
marked.use(formulas);
marked.use({
  renderer: {
    html: ({ text }) => escaped(text),
    // The page has its own h1 and h2.
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + 2);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

export interface Block {
  html: string;
  /** It may still change. */
  isOpen: boolean;
}

const LARGEST_CACHE = 2000; // blocks

/** Renders one text again and again while it grows: only what has changed is rendered anew. */
export class Renderer {
  #known = new Map<string, string>();

  /** `isGrowing`: a fence or formula at the end that is not closed yet counts as closed. */
  render(text: string, isGrowing = false): Block[] {
    const tokens = marked.lexer(isGrowing ? text + closing(text) : text);
    const shown = tokens.filter((token) => token.type !== "space" && token.type !== "def");
    if (this.#known.size > LARGEST_CACHE) this.#known.clear();
    return shown.map((token, at) => ({ html: this.#html(token, tokens, isGrowing && at === shown.length - 1), isOpen: isGrowing && at === shown.length - 1 }));
  }

  #html(token: Token, all: TokensList, isOpen: boolean): string {
    const key = `${token.type}\n${token.raw}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const html = clean(marked.parser(Object.assign([token], { links: all.links })));
    // References are defined anywhere: a block that could use them is not kept while the text grows.
    if (!isOpen && !token.raw.includes("][")) this.#known.set(key, html);
    return html;
  }
}

/** What closes a formula at the end of a text that is still growing. (Fences close themselves.) */
function closing(text: string): string {
  const last = text.slice(text.lastIndexOf("\n\n") + 1).trimStart();
  if (last.startsWith("$$") && last.indexOf("$$", 2) < 0) return "\n$$";
  return last.startsWith("\\[") && !last.includes("\\]") ? "\n\\]" : "";
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
