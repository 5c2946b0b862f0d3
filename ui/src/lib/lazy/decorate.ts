// Makes code and formulas of a rendered block look like what they are. Highlighting and TeX are loaded when they first occur.
import { copyText } from "../copy";
import { clean } from "./markdown";

/** Does nothing to what has been decorated already. */
export async function decorate(root: HTMLElement): Promise<void> {
  for (const pre of root.querySelectorAll<HTMLElement>("pre:not([data-decorated])")) {
    pre.dataset.decorated = "";
    frame(pre);
  }
  await Promise.all([highlight(root), draw(root)]);
}

function frame(pre: HTMLElement): void {
  const code = pre.querySelector("code");
  const language = /language-([\w+#.-]+)/.exec(code?.className ?? "")?.[1] ?? "";
  const bar = document.createElement("div");
  bar.className = "code-bar";
  const name = document.createElement("span");
  name.textContent = language || "text";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy this code");
  button.addEventListener("click", () => {
    void copyText(code?.textContent ?? "").then((copied) => {
      button.textContent = copied ? "Copied" : "Not copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  });
  bar.append(name, button);
  // What scrolls has to be reached with the keyboard. It is no landmark: an answer may have many of one name.
  pre.tabIndex = 0;
  pre.setAttribute("role", "group");
  pre.setAttribute("aria-label", language ? `Code in ${language}` : "Code");
  pre.before(bar);
}

async function highlight(root: HTMLElement): Promise<void> {
  const found = [...root.querySelectorAll<HTMLElement>("pre code[class*='language-']:not(.hljs)")];
  if (!found.length) return;
  const { default: hljs } = await import("highlight.js/lib/common");
  for (const code of found) {
    const language = /language-([\w+#.-]+)/.exec(code.className)?.[1] ?? "";
    code.classList.add("hljs");
    if (hljs.getLanguage(language)) code.innerHTML = clean(hljs.highlight(code.textContent ?? "", { language, ignoreIllegals: true }).value);
  }
}

async function draw(root: HTMLElement): Promise<void> {
  const found = [...root.querySelectorAll<HTMLElement>(".formula[data-tex]:not(.drawn)")];
  if (!found.length) return;
  const { default: katex } = await import("./katex");
  for (const span of found) {
    span.classList.add("drawn");
    try {
      katex.render(span.dataset.tex ?? "", span, { displayMode: span.dataset.display !== undefined, throwOnError: true, trust: false, strict: "ignore", maxExpand: 500, maxSize: 30 });
    } catch {
      // No TeX that anybody understands, or not all of it yet: the text stays.
    }
  }
}
