import { describe, expect, test } from "vitest";
import { Renderer, clean } from "./markdown";

const html = (text: string, growing = false): string => new Renderer().render(text, growing).map((block) => block.html).join("");

/** What a browser would make of it. */
function made(text: string): HTMLElement {
  const root = document.createElement("div");
  root.innerHTML = text;
  return root;
}

const HOSTILE = [
  `<img src=x onerror="window.hacked = 1">`,
  `<script>window.hacked = 1</script>`,
  `<svg><script>window.hacked = 1</script></svg>`,
  `<svg onload=window.hacked=1>`,
  `<iframe srcdoc="<script>parent.hacked = 1</script>"></iframe>`,
  `<a href="javascript:window.hacked=1">x</a>`,
  `[x](javascript:window.hacked=1)`,
  `[x](java&#115;cript:window.hacked=1)`,
  `[x](data:text/html,<script>1</script>)`,
  `[x](vbscript:x "onmouseover=window.hacked=1")`,
  `![x](x" onerror="window.hacked=1)`,
  `![x](javascript:window.hacked=1)`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hacked=1&gt;">`,
  `<form action="https://evil.example"><input name=key><button>Sign in</button></form>`,
  `<style>body { display: none }</style>`,
  `<base href="https://evil.example/">`,
  `<meta http-equiv="refresh" content="0;url=https://evil.example">`,
  `<link rel=stylesheet href=https://evil.example/x.css>`,
  `<object data="x"></object><embed src="x">`,
  `<details open ontoggle=window.hacked=1>`,
  '```"><img src=x onerror=window.hacked=1>\ncode\n```',
  "```js\n</code></pre><img src=x onerror=window.hacked=1>\n```",
  `$</span><img src=x onerror=window.hacked=1>$`,
  `$$\\href{javascript:window.hacked=1}{x}$$`,
  `| <img src=x onerror=window.hacked=1> |\n|---|\n| <script>1</script> |`,
  `<div class="button danger" style="position:fixed;inset:0" id="content" data-row aria-label="Sign in">x</div>`,
  `<template><img src=x onerror=window.hacked=1></template>`,
  `x <noscript><p title="</noscript><img src=x onerror=window.hacked=1>">`,
];

function harmless(root: HTMLElement): void {
  expect(root.querySelectorAll("script, style, iframe, img, svg, math, form, button, object, embed, base, meta, link, template, details, video, audio")).toHaveLength(0);
  for (const element of root.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      expect(name).not.toMatch(/^on|^style$|^id$|^aria|^src|^srcdoc|^action|^formaction/);
      if (name === "href") expect(value).toMatch(/^(https?:|mailto:)/);
      if (name === "class") expect(value).toMatch(/^((hljs|language-)\S*|formula)?( (hljs|language-)\S*)*$/);
    }
  }
  for (const field of root.querySelectorAll("input")) expect(field.type === "checkbox" && field.disabled).toBe(true);
}

describe("what models say cannot harm", () => {
  test.each(HOSTILE)("as Markdown: %s", (text) => harmless(made(html(text))));
  test.each(HOSTILE)("in the middle of a stream: %s", (text) => {
    for (let end = 1; end <= text.length; end += 1) harmless(made(html(text.slice(0, end), true)));
  });
  test.each(HOSTILE)("as HTML that reaches the sanitising function: %s", (text) => harmless(made(clean(text))));
});

test("raw HTML is shown as the text that it is", () => {
  const root = made(html(`Use <b>bold</b> and <img src=x>.`));
  expect(root.textContent).toContain("<b>bold</b> and <img src=x>");
});

test("pictures are links, so nothing is fetched", () => {
  const link = made(html("![a cat](https://example.org/cat.png)")).querySelector("a");
  expect(link?.href).toBe("https://example.org/cat.png");
  expect(link?.rel).toContain("noopener");
  expect(link?.textContent).toBe("a cat");
});

test("GitHub's Markdown: tables, tasks, strike-through, lists", () => {
  const root = made(html("| a | b |\n|---|--:|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n~~gone~~\n\n1. one\n2. two"));
  expect(root.querySelectorAll("td")).toHaveLength(2);
  expect([...root.querySelectorAll<HTMLInputElement>("input")].map((box) => box.checked)).toEqual([true, false]);
  expect(root.querySelector("del")?.textContent).toBe("gone");
  expect(root.querySelectorAll("ol li")).toHaveLength(2);
});

test("headings leave the page its own h1 and h2", () => {
  expect(made(html("# Title")).querySelector("h3")?.textContent).toBe("Title");
});

test("formulas in all four ways carry their TeX", () => {
  const root = made(html("A $x^2$ and \\(y_1\\).\n\n$$\na < b\n$$\n\n\\[c\\]"));
  const found = [...root.querySelectorAll<HTMLElement>(".formula")];
  expect(found.map((each) => each.dataset.tex)).toEqual(["x^2", "y_1", "a < b", "c"]);
  expect(found.map((each) => each.dataset.display !== undefined)).toEqual([false, false, true, true]);
});

test("money is no formula", () => {
  expect(made(html("It costs $5 and then $10 more.")).querySelector(".formula")).toBeNull();
});

test("what is not closed yet is shown closed while the text grows", () => {
  expect(made(html("```python\nprint(1)", true)).querySelector("pre code")?.textContent).toContain("print(1)");
  expect(made(html("$$\nx", true)).querySelector(".formula")).not.toBeNull();
  expect(made(html("$$\nx", false)).querySelector(".formula")).toBeNull();
});

test("while a text grows, blocks that are complete stay the same strings", () => {
  const renderer = new Renderer();
  const before = renderer.render("One.\n\nTwo", true);
  const after = renderer.render("One.\n\nTwo and more", true);
  expect(after[0]?.html).toBe(before[0]?.html);
  expect(after.map((block) => block.isOpen)).toEqual([false, true]);
});
