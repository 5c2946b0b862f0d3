// Documents by how well they answer a query.
import { load, save } from "../../lib/storage";
import { askJson } from "../asking";
import { Jobs } from "../job.svelte";

export const CAN = ["reranker"];
const SAMPLE = {
  query: "How are models kept apart?",
  documents: [
    "Only one model of a swapping group is loaded at a time.",
    "The owl is a bird that hunts at night.",
    "Models that are kept apart by a group never share the GPU.",
    "A kettle should be descaled every few months.",
  ],
};

export type Order = "descending" | "ascending" | "none";

class Ranking {
  model = $state(load("playground.rerank", ""));
  query = $state(SAMPLE.query);
  /** The last one is empty: it is where the next one is written. */
  documents = $state<string[]>([...SAMPLE.documents, ""]);
  isJson = $state(false);
  json = $state("");
  fault = $state("");
  /** By document. */
  scores = $state.raw<ReadonlyMap<number, number> | null>(null);
  /** What the scores are about. */
  ranked = $state.raw<readonly string[]>([]);
  tokens = $state<number | null>(null);
  order = $state<Order>("descending");
  readonly jobs = new Jobs();

  choose(model: string): void {
    this.model = model;
    save("playground.rerank", model);
  }

  get filled(): string[] {
    return this.documents.filter((document) => document.trim());
  }

  /** Keeps exactly one empty row at the end. */
  tidy(): void {
    if (this.documents.at(-1)?.trim() !== "") this.documents.push("");
  }

  /** Between table and JSON; false: the JSON has a fault, which `fault` tells. */
  toggle(): boolean {
    if (this.isJson) {
      if (!this.readJson()) return false;
    } else this.json = JSON.stringify({ query: this.query, documents: this.filled }, null, 2);
    this.isJson = !this.isJson;
    return true;
  }

  readJson(): boolean {
    try {
      const { query, documents } = parsed(this.json);
      this.query = query;
      this.documents = [...documents, ""];
      this.fault = "";
    } catch (error) {
      this.fault = error instanceof Error ? error.message : String(error);
    }
    return this.fault === "";
  }

  request(): { path: string; body: Record<string, unknown> } {
    return { path: "v1/rerank", body: { model: this.model, query: this.query, documents: this.filled } };
  }

  rank(): Promise<void> {
    if (this.isJson && !this.readJson()) return Promise.resolve();
    const { path, body } = this.request();
    const documents = this.filled;
    return this.jobs.run(this.model, async (how) => {
      const answer = await askJson<Answer>("POST", path, { body, ...how });
      const scores = scoresIn(answer);
      if (!scores.size) throw new Error("The answer has no scores.");
      this.scores = scores;
      this.ranked = documents;
      this.tokens = answer.usage?.total_tokens ?? answer.usage?.prompt_tokens ?? null;
    });
  }

  cycle(): void {
    this.order = ({ descending: "ascending", ascending: "none", none: "descending" } as const)[this.order];
  }

  reset(): void {
    this.query = SAMPLE.query;
    this.documents = [...SAMPLE.documents, ""];
    this.json = JSON.stringify(SAMPLE, null, 2);
    this.scores = null;
    this.fault = "";
    this.jobs.error = null;
  }
}

interface Answer {
  results?: { index: number; relevance_score?: number; score?: number }[];
  data?: Answer["results"];
  usage?: { total_tokens?: number; prompt_tokens?: number };
}

export function scoresIn(answer: Answer): Map<number, number> {
  const found = answer.results ?? answer.data ?? [];
  return new Map(found.map((each) => [each.index, each.relevance_score ?? each.score ?? Number.NaN]));
}

/** Throws with what is wrong, in words. */
export function parsed(text: string): { query: string; documents: string[] } {
  let found: { query?: unknown; documents?: unknown };
  try {
    found = JSON.parse(text) as typeof found;
  } catch (error) {
    throw new Error(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (typeof found?.query !== "string") throw new Error("“query” has to be a text.");
  const { documents } = found;
  if (!Array.isArray(documents) || !documents.every((each) => typeof each === "string")) throw new Error("“documents” has to be a list of texts.");
  return { query: found.query, documents };
}

export function sorted(scores: ReadonlyMap<number, number>, order: Order): [number, number][] {
  const rows = [...scores].sort((a, b) => a[0] - b[0]);
  if (order === "none") return rows;
  return rows.sort((a, b) => (order === "descending" ? b[1] - a[1] : a[1] - b[1]));
}

export const ranking = new Ranking();
