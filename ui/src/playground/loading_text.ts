// The server tells of a load where chat pages show reasoning: between two lines of heavy dashes, before anything of the model.
// Here the two are told apart again, however the text was cut into pieces.

const DASH = "\u2501";
const IS_LINE = /^\u2501{3,}$/;
const PLACE = /in the queue: #(\d+)/g;

export interface Told {
  loading: string;
  reasoning: string;
}

export class LoadingSplitter {
  /** Whether the model is (still) being loaded, as far as the text says. */
  isLoading = false;
  /** The load is over: what comes now is the model's. */
  isOver = false;
  #state: "start" | "loading" | "gap" | "reasoning" = "start";
  #held = "";
  #line = "";

  feed(piece: string): Told {
    const told: Told = { loading: "", reasoning: "" };
    for (const letter of piece) this.#take(letter, told);
    return told;
  }

  /** What was held back because it might have been the beginning of a line of dashes. A whole one was the beginning of a load. */
  end(): Told {
    const reasoning = this.#state === "start" && !IS_LINE.test(this.#held.trim()) ? this.#held : "";
    this.#held = "";
    this.isLoading = false;
    return { loading: "", reasoning };
  }

  #take(letter: string, told: Told): void {
    switch (this.#state) {
      case "start":
        this.#held += letter;
        if (letter === "\n" && IS_LINE.test(this.#held.trim())) {
          this.#state = "loading";
          this.isLoading = true;
          this.#held = "";
        } else if (letter.trim() && letter !== DASH) {
          told.reasoning += this.#held;
          this.#held = "";
          this.#state = "reasoning";
        }
        return;
      case "loading":
        this.#line += letter;
        if (letter !== "\n") return;
        if (IS_LINE.test(this.#line.trim())) {
          this.#state = "gap";
          this.isLoading = false;
          this.isOver = true;
        } else told.loading += this.#line;
        this.#line = "";
        return;
      case "gap":
        // The server leaves an empty line behind its text.
        if (!letter.trim()) return;
        this.#state = "reasoning";
        told.reasoning += letter;
        return;
      case "reasoning":
        told.reasoning += letter;
    }
  }

  /** The line that is not complete yet. */
  get unfinished(): string {
    return this.#state === "loading" && !this.#line.startsWith(DASH) ? this.#line : "";
  }
}

/** What the text said last, without the place in the queue, which is shown by itself, and without the dots of its progress. */
export function lastWords(text: string): string {
  const lines = text.split("\n").map((line) => line.replace(/[\s.]+$/, ""));
  return lines.findLast((line) => line && !line.startsWith("in the queue:")) ?? "";
}

/** The place in the queue that a loading text tells last; null where it tells none. */
export function placeIn(text: string): number | null {
  const found = [...text.matchAll(PLACE)].at(-1)?.[1];
  return found ? Number(found) : null;
}
