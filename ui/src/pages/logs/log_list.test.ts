import { beforeEach, expect, test } from "vitest";
import { type Entry, LEVELS, compile, entriesOf } from "./lines";
import { type Counts, KEPT, LogList, type Wanted } from "./log_list";

const ALL: Wanted = { regex: null, levels: new Set(LEVELS), withNoise: false, sources: new Set(), models: new Set() };
let box: HTMLElement;
let counts: Counts;
let log: LogList;

beforeEach(() => {
  box = document.createElement("div");
  log = new LogList(box, ALL, (now) => (counts = now));
});

const entries = (text: string): Entry[] => entriesOf({ text, times: [] }, null);
const shown = (): string[] => [...box.children].filter((line) => !(line as HTMLElement).hidden).map((line) => line.textContent ?? "");

test("lines are added at the end, and those that stand stay the same elements", () => {
  log.add(entries("one\n"));
  log.flush();
  const first = box.firstChild;
  log.add(entries("two\n"));
  log.flush();
  expect(shown()).toEqual(["one", "two"]);
  expect(box.firstChild).toBe(first);
});

test("the list is bounded: the oldest lines go", () => {
  for (let at = 0; at < KEPT + 10; at += 1) log.add(entries(`line ${at}\n`));
  log.flush();
  log.add(entries("last\n"));
  log.flush();
  expect(box.children.length).toBe(KEPT);
  expect(box.lastChild?.textContent).toBe("last");
  expect(counts).toEqual({ lines: KEPT, shown: KEPT, waiting: 0, matches: 0, errors: 0, noise: 0 });
});

test("a filter hides what does not match, marks what does, and counts", () => {
  log.add(entries("[INFO] alpha\n[ERROR] beta\n\x1b[32mal\x1b[0mpha again\n"));
  log.flush();
  log.want({ ...ALL, regex: compile("alpha").regex });
  expect(shown()).toEqual(["[INFO] alpha", "alpha again"]);
  expect([...box.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["alpha", "al", "pha"]);
  expect(counts).toMatchObject({ shown: 2, matches: 2 });
  log.want({ ...ALL, levels: new Set(["error" as const]) });
  expect(shown()).toEqual(["[ERROR] beta"]);
  expect(log.text).toBe("[ERROR] beta\n");
});

test("a pause lets lines wait, and its end shows them", () => {
  log.pause(true);
  log.add(entries("a\nb\n"));
  expect(counts.waiting).toBe(2);
  expect(box.children.length).toBe(0);
  log.pause(false);
  log.flush();
  expect(shown()).toEqual(["a", "b"]);
});

test("probes and the page's own requests are hidden until asked for, and HTML stays text", () => {
  log.add(entries('[INFO] Request 127.0.0.1 "GET /ui/ HTTP/1.1" 200 1 "Mozilla/5.0" 1ms\nGET /health 503\n<img src=x onerror=alert(1)>\n'));
  log.flush();
  expect(shown()).toEqual(["<img src=x onerror=alert(1)>"]);
  expect(box.querySelector("img")).toBeNull();
  expect(counts.noise).toBe(2);
  log.want({ ...ALL, withNoise: true });
  expect(counts.shown).toBe(3);
});

test("two logs as one are narrowed by source and by model, each with its own colours", () => {
  log.add([
    { text: "[INFO] <hare> starting", at: 1, from: "proxy" },
    { text: "<hare> \x1b[31mred", at: 2, from: "upstream" },
    { text: "<owl> plain", at: 3, from: "upstream" },
    { text: "<hare> still red", at: 4, from: "upstream" },
  ]);
  log.flush();
  expect([...box.querySelectorAll(".color")].map((piece) => piece.textContent)).toEqual(["red", "<hare> still red"]);
  log.want({ ...ALL, models: new Set(["hare"]) });
  expect(shown()).toEqual(["[INFO] <hare> starting", "<hare> red", "<hare> still red"]);
  log.want({ ...ALL, models: new Set(["hare"]), sources: new Set(["upstream"]) });
  expect(shown()).toEqual(["<hare> red", "<hare> still red"]);
  log.want({ ...ALL, sources: new Set(["proxy"]) });
  expect(shown()).toEqual(["[INFO] <hare> starting"]);
});

test("errors are jumped to one after the other and around, a run of them being one", () => {
  log.add(entries("fine\n[ERROR] a\n[ERROR]   | b\nfine\n[ERROR] c\nfine\n"));
  log.flush();
  expect(counts.errors).toBe(2);
  const jumps = ([-1, -1, -1, 1] as const).map((direction) => log.jump(direction)?.textContent);
  expect(jumps).toEqual(["[ERROR] c", "[ERROR] a", "[ERROR] c", "[ERROR] a"]);
  expect(box.querySelectorAll(".current").length).toBe(1);
  log.want({ ...ALL, levels: new Set(["other" as const]) });
  expect(log.jump(1)).toBeNull();
});

test("a line is found again by its place, or the next one that is shown", () => {
  log.add(["a", "[ERROR] b", "c"].map((text, at) => ({ text, at: at ? 20 : 10, from: null })));
  log.flush();
  log.choose(box.children[2]!);
  expect(log.place(0)).toBe("20-1");
  log.unmark();
  expect(log.find("20-1")?.textContent).toBe("c");
  expect(log.find("15")?.textContent).toBe("[ERROR] b");
  expect(log.find("9")).toBeNull();
  log.want({ ...ALL, levels: new Set(["other" as const]) });
  expect(log.find("20")?.textContent).toBe("c");
});
