// The end of a log, bounded. Not reactive: who shows it asks to be told, and decides when to draw.

const KEPT = 4 * 1024 * 1024; // characters

/** From this line on (counted from 0) the lines came at this time, in ms since the epoch. */
export type Mark = readonly [line: number, ms: number];

/** Whole lines. */
export interface Chunk {
  text: string;
  times: readonly Mark[];
}

export type LogListener = (chunk: Chunk, isHistory: boolean) => void;

export class LogTail {
  #chunks: Chunk[] = [];
  #size = 0;
  #awaitsHistory = true;
  readonly #listeners = new Set<LogListener>();

  get chunks(): readonly Chunk[] {
    return this.#chunks;
  }

  get text(): string {
    return this.#chunks.map(({ text }) => text).join("");
  }

  /** What comes next is what the server remembers: it replaces everything. */
  expectHistory(): void {
    this.#awaitsHistory = true;
  }

  append(text: string, times: readonly Mark[] = []): void {
    const isHistory = this.#awaitsHistory;
    this.#awaitsHistory = false;
    if (isHistory) {
      this.#chunks = [];
      this.#size = 0;
    }
    const chunk = { text, times };
    this.#chunks.push(chunk);
    this.#size += text.length;
    if (this.#size > KEPT) this.#shorten();
    for (const listener of this.#listeners) listener(chunk, isHistory);
  }

  /** `isHistory`: the lines replace what was told before. Returns how to stop. */
  subscribe(listener: LogListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To about half its size, so that it does not happen with every line. */
  #shorten(): void {
    let gone = 0;
    while (gone < this.#chunks.length - 1 && this.#size > KEPT / 2) this.#size -= this.#chunks[gone++]?.text.length ?? 0;
    this.#chunks = this.#chunks.slice(gone);
  }
}
