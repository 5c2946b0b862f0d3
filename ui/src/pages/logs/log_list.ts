// The lines of a log as elements. Lines are added at the end, once per frame, and taken away at the beginning; nothing that
// stands is drawn anew, unless the filter changes. One line may be the current one: that of a link, or an error jumped to.
import { timeOfDay } from "../../lib/format";
import { type Style, PLAIN, pieces, plain } from "./ansi";
import { drawn } from "./drawn_line";
import { type Entry, type Level, isNoise, levelOf, modelOf, ranges } from "./lines";
import { type Placed, place, placed } from "./places";

export const KEPT = 5000; // lines

interface Line extends Placed {
  text: string;
  from: Entry["from"];
  model: string;
  level: Level;
  isNoise: boolean;
  pieces: ReturnType<typeof pieces>["pieces"];
  matches: number;
  element: HTMLElement;
}

export interface Wanted {
  regex: RegExp | null;
  levels: ReadonlySet<Level>;
  /** Probes and the page's own requests, too. */
  withNoise: boolean;
  /** Where several logs are shown as one: `proxy`, `upstream`; empty: both. */
  sources: ReadonlySet<string>;
  /** The models that a line is about; empty: any, and none. */
  models: ReadonlySet<string>;
}

export interface Counts {
  lines: number;
  shown: number;
  /** Come while it was paused. */
  waiting: number;
  /** Of the expression, in the lines that are shown. */
  matches: number;
  /** Runs of lines that tell of an error: a traceback is one. */
  errors: number;
  /** Probes and the page's own requests, shown or not. */
  noise: number;
}

export class LogList {
  #lines: Line[] = [];
  #waiting: Entry[] = [];
  /** What the last line of a model, or of Swapyard, left on: those of others stand between them. */
  #left = new Map<string, { style: Style; level: Level }>();
  #frame = 0;
  #isPaused = false;
  #wanted: Wanted;
  #current: Line | null = null;
  readonly #box: HTMLElement;
  readonly #changed: (counts: Counts) => void;

  /** `changed` is called after every change of what stands in `box`. */
  constructor(box: HTMLElement, wanted: Wanted, changed: (counts: Counts) => void) {
    this.#box = box;
    this.#wanted = wanted;
    this.#changed = changed;
  }

  add(lines: readonly Entry[]): void {
    this.#waiting.push(...lines.slice(-KEPT));
    if (this.#waiting.length > 2 * KEPT) this.#waiting = this.#waiting.slice(-KEPT);
    if (this.#isPaused) this.#tell();
    else this.#soon();
  }

  /** From here on. */
  clear(): void {
    this.#lines = [];
    this.#waiting = [];
    this.#left.clear();
    this.#current = null;
    this.#box.replaceChildren();
    this.#tell();
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!isPaused) this.#soon();
  }

  want(wanted: Wanted): void {
    this.#wanted = wanted;
    for (const line of this.#lines) this.#fill(line);
    this.#tell();
  }

  /** What is shown, as text. */
  get text(): string {
    return this.#shown.map(({ text }) => `${text}\n`).join("");
  }

  /** Makes the error after or before the current line the current one; without one, the first or last of all. null: there is none. */
  jump(direction: 1 | -1): HTMLElement | null {
    const shown = this.#shown;
    const errors = shown.filter((line, at) => line.level === "error" && shown[at - 1]?.level !== "error");
    const here = this.#current ? this.#lines.indexOf(this.#current) : direction > 0 ? -1 : this.#lines.length;
    const beyond = errors.filter((line) => (this.#lines.indexOf(line) - here) * direction > 0);
    return this.#mark((direction > 0 ? beyond[0] : beyond.at(-1)) ?? (direction > 0 ? errors[0] : errors.at(-1)) ?? null);
  }

  /** Makes the line that this element shows the current one. */
  choose(element: Element): void {
    this.#mark(this.#lines.find((line) => line.element === element) ?? null);
  }

  /** Makes the line of a place the current one, or the next that is shown. null: the lines of that time are gone. */
  find(wanted: string): HTMLElement | null {
    const at = placed(this.#lines, wanted);
    return at < 0 ? null : this.#mark(this.#lines.slice(at).find(({ element }) => !element.hidden) ?? this.#shown.at(-1) ?? null);
  }

  unmark(): void {
    this.#mark(null);
  }

  /** For an address: where the current line is, or the first one that begins at or below `top` px; "" where no time is known. */
  place(top: number): string {
    const line = this.#current ?? this.#shown.find(({ element, at }) => at !== null && element.offsetTop >= top);
    return line ? place(this.#lines, this.#lines.indexOf(line)) : "";
  }

  /** Draws what waits, now. */
  flush(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const added = document.createDocumentFragment();
    for (const entry of this.#waiting.slice(-KEPT)) added.append(this.#line(entry).element);
    this.#waiting = [];
    this.#box.append(added);
    const over = this.#lines.length - KEPT;
    for (const line of this.#lines.splice(0, Math.max(0, over))) {
      if (line === this.#current) this.#current = null;
      line.element.remove();
    }
    this.#tell();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
  }

  get #shown(): Line[] {
    return this.#lines.filter(({ element }) => !element.hidden);
  }

  #soon(): void {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.flush());
  }

  #mark(line: Line | null): HTMLElement | null {
    this.#current?.element.classList.remove("current");
    this.#current = line;
    line?.element.classList.add("current");
    return line?.element ?? null;
  }

  #line({ text: raw, at, from }: Entry): Line {
    const text = plain(raw);
    const model = modelOf(text);
    const writer = from === "proxy" ? "" : model;
    const left = this.#left.get(writer) ?? { style: PLAIN, level: "other" };
    const { pieces: found, style } = pieces(raw, left.style);
    const level = levelOf(text, left.level);
    this.#left.set(writer, { style, level });
    const line: Line = { text, at, from, model, level, isNoise: isNoise(text, level), pieces: found, matches: 0, element: document.createElement("div") };
    line.element.className = level;
    line.element.dataset.at = at === null ? "" : timeOfDay(at);
    this.#lines.push(line);
    this.#fill(line);
    return line;
  }

  /** Whether it is shown, and where it matches. */
  #fill(line: Line): void {
    const { regex, levels, withNoise, sources, models } = this.#wanted;
    let isShown = levels.has(line.level) && (withNoise || !line.isNoise);
    if (sources.size && line.from) isShown &&= sources.has(line.from);
    if (models.size) isShown &&= models.has(line.model);
    let marks: [number, number][] = [];
    if (isShown && regex) {
      regex.lastIndex = 0;
      isShown = regex.test(line.text);
      regex.lastIndex = 0;
      if (isShown) marks = ranges(line.text, regex);
    }
    line.matches = marks.length;
    line.element.hidden = !isShown;
    if (isShown) line.element.replaceChildren(...drawn(line.pieces, marks));
  }

  #tell(): void {
    const counts: Counts = { lines: this.#lines.length, shown: 0, waiting: this.#isPaused ? this.#waiting.length : 0, matches: 0, errors: 0, noise: 0 };
    let before: Level | null = null;
    for (const { element, level, matches, isNoise } of this.#lines) {
      if (isNoise) counts.noise += 1;
      if (element.hidden) continue;
      counts.shown += 1;
      counts.matches += matches;
      if (level === "error" && before !== "error") counts.errors += 1;
      before = level;
    }
    this.#changed(counts);
  }
}
