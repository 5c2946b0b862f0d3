// The end of a log, bounded. Not reactive: who shows it asks to be told, and decides when to draw.

const KEPT = 4 * 1024 * 1024; // characters

export type LogListener = (text: string, isHistory: boolean) => void;

export class LogTail {
  #chunks: string[] = [];
  #size = 0;
  #awaitsHistory = true;
  readonly #listeners = new Set<LogListener>();

  get text(): string {
    if (this.#chunks.length > 1) this.#chunks = [this.#chunks.join("")];
    return this.#chunks[0] ?? "";
  }

  /** What comes next is what the server remembers: it replaces everything. */
  expectHistory(): void {
    this.#awaitsHistory = true;
  }

  append(text: string): void {
    const isHistory = this.#awaitsHistory;
    this.#awaitsHistory = false;
    if (isHistory) {
      this.#chunks = [];
      this.#size = 0;
    }
    this.#chunks.push(text);
    this.#size += text.length;
    if (this.#size > KEPT) this.#shorten();
    for (const listener of this.#listeners) listener(text, isHistory);
  }

  /** `isHistory`: the text replaces what was told before. Returns how to stop. */
  subscribe(listener: LogListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To half its size, so that it does not happen with every line; whole lines. */
  #shorten(): void {
    const text = this.text;
    const from = text.indexOf("\n", text.length - KEPT / 2) + 1;
    this.#chunks = [text.slice(from)];
    this.#size = text.length - from;
  }
}
