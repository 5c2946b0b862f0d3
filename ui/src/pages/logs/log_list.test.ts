import { beforeEach, expect, test } from "vitest";
import { LEVELS, compile } from "./lines";
import { type Counts, KEPT, LogList, type Wanted } from "./log_list";

const ALL: Wanted = { regex: null, levels: new Set(LEVELS), own: false };
let box: HTMLElement;
let counts: Counts;
let log: LogList;

beforeEach(() => {
  box = document.createElement("div");
  log = new LogList(box, ALL, (now) => (counts = now));
});

const shown = (): string[] => [...box.children].filter((line) => !(line as HTMLElement).hidden).map((line) => line.textContent ?? "");

test("lines are added at the end, and those that stand stay the same elements", () => {
  log.add("one\ntw");
  log.flush();
  const first = box.firstChild;
  log.add("o\n");
  log.flush();
  expect(shown()).toEqual(["one", "two"]);
  expect(box.firstChild).toBe(first);
});

test("the list is bounded: the oldest lines go", () => {
  for (let at = 0; at < KEPT + 10; at += 1) log.add(`line ${at}\n`);
  log.flush();
  log.add("last\n");
  log.flush();
  expect(box.children.length).toBe(KEPT);
  expect(box.lastChild?.textContent).toBe("last");
  expect(counts).toEqual({ lines: KEPT, shown: KEPT, waiting: 0 });
});

test("a filter hides what does not match, marks what does, and counts", () => {
  log.add("[INFO] alpha\n[ERROR] beta\n\x1b[32mal\x1b[0mpha again\n");
  log.flush();
  log.want({ ...ALL, regex: compile("alpha").regex });
  expect(shown()).toEqual(["[INFO] alpha", "alpha again"]);
  expect([...box.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["alpha", "al", "pha"]);
  expect(counts.shown).toBe(2);
  log.want({ ...ALL, levels: new Set(["error" as const]) });
  expect(shown()).toEqual(["[ERROR] beta"]);
  expect(log.text).toBe("[ERROR] beta\n");
});

test("a pause lets lines wait, and its end shows them", () => {
  log.pause(true);
  log.add("a\nb\n");
  expect(counts.waiting).toBe(2);
  expect(box.children.length).toBe(0);
  log.pause(false);
  log.flush();
  expect(shown()).toEqual(["a", "b"]);
});

test("the page's own requests are hidden until asked for, and HTML stays text", () => {
  log.add('[INFO] Request 127.0.0.1 "GET /ui/ HTTP/1.1" 200 1 "Mozilla/5.0" 1ms\n<img src=x onerror=alert(1)>\n');
  log.flush();
  expect(shown()).toEqual(["<img src=x onerror=alert(1)>"]);
  expect(box.querySelector("img")).toBeNull();
  log.want({ ...ALL, own: true });
  expect(counts.shown).toBe(2);
});
