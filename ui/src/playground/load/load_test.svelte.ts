// Many requests at once: which models, how many at a time, and what became of each.
import { load, save } from "../../lib/storage";
import { Answering, type Phase } from "../answering.svelte";
import { newId } from "../asking";
import { curlJson } from "../curl";
import { ENDPOINT_PATHS, conversation } from "../dialects";
import { percentile, waited } from "../numbers";

/** A browser opens six connections to one address, and the page's live news take one of them. */
export const MOST_AT_ONCE = 5;
const FIRST = { prompt: "Count to 60.", maxTokens: 256, parallel: 5, ramp: 0 };

export interface Queued {
  id: string;
  model: string;
}

class LoadTest {
  queue = $state<Queued[]>(load<string[]>("playground.load.queue", []).map((model) => ({ id: newId(), model })));
  wanted = $state({ ...FIRST, ...load<Partial<typeof FIRST>>("playground.load", {}) });
  /** By the id in the queue. */
  runs = $state.raw<ReadonlyMap<string, Answering>>(new Map());
  isRunning = $state(false);
  began = $state(0);
  ended = $state<number | null>(null);
  #isStopped = false;

  keep(): void {
    save("playground.load", this.wanted);
    save(
      "playground.load.queue",
      this.queue.map((each) => each.model),
    );
  }

  add(model: string): void {
    this.queue.push({ id: newId(), model });
    this.keep();
  }

  remove(id: string): void {
    this.runs.get(id)?.stop();
    this.queue = this.queue.filter((each) => each.id !== id);
    this.keep();
  }

  /** By one place; also how the keyboard reorders. */
  move(id: string, to: number): void {
    const from = this.queue.findIndex((each) => each.id === id);
    const [taken] = this.queue.splice(from, 1);
    if (taken) this.queue.splice(Math.max(0, Math.min(this.queue.length, to)), 0, taken);
    this.keep();
  }

  clear(): void {
    this.stop();
    this.queue = [];
    this.runs = new Map();
    this.keep();
  }

  reset(): void {
    Object.assign(this.wanted, FIRST);
    this.keep();
  }

  async go(): Promise<void> {
    if (this.isRunning || !this.queue.length) return;
    this.isRunning = true;
    this.#isStopped = false;
    this.runs = new Map();
    this.began = Date.now();
    this.ended = null;
    const waiting = $state.snapshot(this.queue);
    const { parallel, ramp } = $state.snapshot(this.wanted);
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next && !this.#isStopped; next = waiting.shift()) await this.#run(next);
    };
    const lanes = Array.from({ length: Math.max(1, Math.min(parallel, waiting.length)) }, async (_, at) => {
      if (ramp && at) await new Promise((resolve) => setTimeout(resolve, at * ramp * 1000));
      await lane();
    });
    await Promise.all(lanes);
    this.ended = Date.now();
    this.isRunning = false;
  }

  stop(): void {
    this.#isStopped = true;
    for (const run of this.runs.values()) run.stop();
  }

  bodyOf(model: string): Record<string, unknown> {
    const { prompt, maxTokens } = this.wanted;
    return { model, ...conversation("chat", "", [{ role: "user", text: prompt, images: [] }]), max_tokens: maxTokens };
  }

  /** One command per request. */
  curl(): string {
    return this.queue.map(({ model }) => curlJson(ENDPOINT_PATHS.chat, this.bodyOf(model))).join("\n");
  }

  async #run({ id, model }: Queued): Promise<void> {
    const run = new Answering("chat", model, this.bodyOf(model));
    this.runs = new Map([...this.runs, [id, run]]);
    await run.run();
  }
}

export interface Totals {
  done: number;
  failed: number;
  /** Tokens of all answers. */
  tokens: number;
  /** Tokens per second of all of them together, while the test ran. */
  throughput: number | null;
  firstToken: Spread;
  total: Spread;
  decode: Spread;
  wait: Spread;
}

/** Null where nothing is known. */
export interface Spread {
  p50: number | null;
  p95: number | null;
  max: number | null;
}

type Finished = Pick<Answering, "phase" | "numbers">;

/** `seconds`: how long the test took. Requests that failed or were stopped are counted, and not measured. */
export function totalsOf(runs: readonly Finished[], seconds: number): Totals {
  const done = runs.filter((run) => run.phase === "done").flatMap((run) => run.numbers ?? []);
  const values = (of: (numbers: (typeof done)[number]) => number | null): Spread => spread(done.flatMap((numbers) => of(numbers) ?? []));
  const tokens = done.reduce((sum, numbers) => sum + (numbers.generated ?? 0), 0);
  return {
    done: done.length,
    failed: runs.filter((run) => run.phase === "failed").length,
    tokens,
    throughput: seconds > 0 && tokens ? tokens / seconds : null,
    firstToken: values((numbers) => (numbers.firstToken === null ? null : numbers.firstToken + (numbers.wait ?? 0))),
    total: values((numbers) => numbers.total),
    decode: values((numbers) => numbers.decode),
    wait: values(waited),
  };
}

function spread(values: readonly number[]): Spread {
  return { p50: percentile(values, 0.5), p95: percentile(values, 0.95), max: percentile(values, 1) };
}

const FIELDS = ["request", "model", "result", "asked", "total_s", "wait_s", "server_wait_s", "first_token_s", "prompt_tokens", "cached_tokens", "generated_tokens", "prefill_tps", "decode_tps", "finish", "error"] as const;

function rowsOf(queue: readonly Queued[], runs: ReadonlyMap<string, Answering>): Record<(typeof FIELDS)[number], string | number | null>[] {
  return queue.flatMap(({ id, model }, at) => {
    const run = runs.get(id);
    if (!run) return [];
    const numbers = run.numbers;
    return {
      request: at + 1,
      model,
      result: run.phase,
      asked: new Date(run.asked).toISOString(),
      total_s: numbers?.total ?? null,
      wait_s: numbers?.wait ?? null,
      server_wait_s: numbers?.server ?? null,
      first_token_s: numbers?.firstToken ?? null,
      prompt_tokens: numbers?.prompt ?? null,
      cached_tokens: numbers?.cached ?? null,
      generated_tokens: numbers?.generated ?? null,
      prefill_tps: numbers?.prefill ?? null,
      decode_tps: numbers?.decode ?? null,
      finish: numbers?.finish ?? "",
      error: run.error?.message ?? "",
    };
  });
}

export function asCsv(queue: readonly Queued[], runs: ReadonlyMap<string, Answering>): string {
  // A cell that a spreadsheet would take for a formula gets a quote in front.
  const cell = (value: string | number | null): string => {
    const text = typeof value === "string" && /^[=+@-]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [FIELDS.join(","), ...rowsOf(queue, runs).map((row) => FIELDS.map((field) => cell(row[field])).join(","))].join("\n") + "\n";
}

export function asJson(test: LoadTest): string {
  const seconds = ((test.ended ?? Date.now()) - test.began) / 1000;
  return JSON.stringify({ ...$state.snapshot(test.wanted), seconds, totals: totalsOf([...test.runs.values()], seconds), requests: rowsOf(test.queue, test.runs) }, null, 2);
}

export const PHASES: Record<Phase, { label: string; tone: string }> = {
  sent: { label: "sent", tone: "idle" },
  queued: { label: "in the queue", tone: "waiting" },
  loading: { label: "loading the model", tone: "moving" },
  server: { label: "waiting at its server", tone: "server" },
  prefill: { label: "reading the prompt", tone: "accent" },
  reasoning: { label: "reasoning", tone: "reasoning" },
  streaming: { label: "answering", tone: "ok" },
  done: { label: "done", tone: "ok" },
  stopped: { label: "stopped", tone: "idle" },
  failed: { label: "failed", tone: "bad" },
};

export const test = new LoadTest();
