// One answer that is being streamed: from the moment it is asked for, through queue and load, to its last token.
import { ApiError, isAbort } from "../lib/api";
import { live } from "../lib/live.svelte";
import { notifications } from "../lib/notifications.svelte";
import type { Inflight } from "../lib/inflight";
import { readEvents } from "../lib/sse";
import { ask, isAbout, newId } from "./asking";
import { ENDPOINT_PATHS, type Endpoint, type Heard, type Timings, type Tokens, heardIn, heardWhole } from "./dialects";
import { LoadingSplitter, placeIn } from "./loading_text";
import { type Numbers, counted, numbersOf } from "./numbers";

/** `sent`: nobody has said yet what becomes of it. `server`: it waits at the model's server, which is known only afterwards. */
export type Phase = "sent" | "queued" | "loading" | "server" | "prefill" | "reasoning" | "streaming" | "done" | "stopped" | "failed";

/** Times in ms since the epoch; `to` null: it is in this phase. */
export interface Segment {
  phase: Phase;
  from: number;
  to: number | null;
}

export interface Failure {
  message: string;
  status: number;
}

/** What `Waiting` shows: an answer, or a job, before there is anything of it. */
export interface Waits {
  /** As it was asked with: `isAbout` finds the request under way by it. */
  readonly id: string;
  readonly model: string;
  readonly asked: number;
  readonly phase: Phase;
  /** In the queue, where nothing but the text of a load tells it. */
  readonly position: number | null;
  readonly loading: string;
  readonly segments: readonly Segment[];
}

const OVER: readonly Phase[] = ["done", "stopped", "failed"];
const EVERY = 40; // ms between two updates of what is shown

export class Answering {
  readonly id = newId();
  text = $state("");
  reasoning = $state("");
  /** What the server said while the model was loaded. */
  loading = $state("");
  phase = $state<Phase>("sent");
  position = $state<number | null>(null);
  segments = $state.raw<readonly Segment[]>([]);
  error = $state.raw<Failure | null>(null);
  numbers = $state.raw<Numbers | null>(null);
  readonly asked = Date.now();
  /** How long it reasoned, in seconds. */
  reasoned = $state(0);

  readonly #abort = new AbortController();
  readonly #splitter = new LoadingSplitter();
  #text = "";
  #reasoning = "";
  #loading = "";
  #tokens: Tokens = {};
  #timings: Timings = {};
  #finish = "";
  #ready: number | null = null;
  #first: number | null = null;
  #last: number | null = null;
  #shown = 0;
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly endpoint: Endpoint,
    readonly model: string,
    readonly body: Record<string, unknown>,
  ) {
    this.segments = [{ phase: "sent", from: this.asked, to: null }];
  }

  get isOver(): boolean {
    return OVER.includes(this.phase);
  }

  stop(): void {
    this.#abort.abort();
  }

  /** Until it is over, however it ends; never rejects. */
  async run(): Promise<void> {
    const deaf = live.on("inflight", () => this.#look());
    try {
      const response = await ask("POST", ENDPOINT_PATHS[this.endpoint], { body: this.body, signal: this.#abort.signal, id: this.id });
      if (response.headers.get("Content-Type")?.includes("text/event-stream") && response.body) {
        await readEvents(response.body, (data) => this.#hear(heardIn(this.endpoint, data)));
      } else this.#hear(heardWhole(this.endpoint, await response.json()));
      this.#end(this.error ? "failed" : "done");
    } catch (error) {
      if (isAbort(error)) {
        this.#finish = "stopped";
        this.#end("stopped");
      } else {
        this.error = { message: this.#first && !(error instanceof ApiError) ? "The connection broke off in the middle of the answer." : messageOf(error), status: error instanceof ApiError ? error.status : 0 };
        this.#end("failed");
      }
    } finally {
      deaf();
    }
  }

  #hear(heard: Heard): void {
    const now = Date.now();
    if (heard.error) this.error = { message: heard.error, status: 200 };
    if (heard.reasoning) this.#hearReasoning(heard.reasoning, now);
    if (heard.text) {
      this.#token(now);
      this.#text += heard.text;
      this.#enter("streaming", now);
    }
    if (heard.finish) this.#finish = heard.finish;
    ({ tokens: this.#tokens, timings: this.#timings } = counted(this.#tokens, this.#timings, heard));
    this.#showSoon();
  }

  #hearReasoning(piece: string, now: number): void {
    const wasLoading = this.#splitter.isLoading;
    const told = this.#splitter.feed(piece);
    this.#loading += told.loading;
    if (this.#splitter.isLoading) {
      // Where the server tells of requests under way, that is truer than its text.
      const place = placeIn(this.#loading + this.#splitter.unfinished);
      if (this.phase === "sent") this.#enter("loading", now);
      if (place !== null && this.position === null && this.phase === "queued") this.position = place;
    } else if (wasLoading) this.#isReady(now);
    if (told.reasoning) {
      this.#token(now);
      this.#reasoning += told.reasoning;
      this.#enter("reasoning", now);
    }
  }

  #token(now: number): void {
    this.#first ??= now;
    this.#last = now;
  }

  #isReady(now: number): void {
    this.#ready ??= now;
    this.position = null;
    if (!this.#first) this.#enter("prefill", now);
  }

  /** The server's news of requests under way. */
  #look(): void {
    if (this.#first || this.isOver) return;
    const found: Inflight | undefined = live.inflight.find((request) => isAbout(request, this.id));
    if (!found?.phase) return;
    const now = Date.now();
    if (found.phase === "queued" || found.phase === "loading") {
      this.position = found.position ?? null;
      notifications.expect(found.model);
      this.#enter(found.phase, now);
    } else if (found.phase === "prefill") {
      if (this.phase === "queued" || this.phase === "loading") this.#isReady(now);
      this.#enter("prefill", now);
    }
  }

  #enter(phase: Phase, now: number): void {
    if (this.phase === phase) return;
    this.segments = [...this.segments.map((segment) => (segment.to === null ? { ...segment, to: now } : segment)), { phase, from: now, to: null }];
    this.phase = phase;
  }

  #end(phase: "done" | "stopped" | "failed"): void {
    const now = Date.now();
    const left = this.#splitter.end();
    this.#reasoning += left.reasoning;
    if (this.phase === "queued" || this.phase === "loading") this.#ready = phase === "done" ? (this.#ready ?? now) : this.#ready;
    this.#show();
    const moments = { asked: this.asked, ready: this.#ready, first: this.#first, last: this.#last, ended: now };
    this.numbers = numbersOf(moments, this.#tokens, this.#timings, phase === "failed" ? "" : this.#finish);
    const ended = this.segments.map((segment) => (segment.to === null ? { ...segment, to: now } : segment));
    this.segments = withServer(ended, this.numbers.server);
    this.phase = phase;
  }

  #showSoon(): void {
    const wait = this.#shown + EVERY - Date.now();
    if (wait <= 0) this.#show();
    else this.#later ??= setTimeout(() => this.#show(), wait);
  }

  #show(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#shown = Date.now();
    this.text = this.#text;
    this.reasoning = this.#reasoning;
    this.loading = this.#loading + this.#splitter.unfinished;
    const reasoning = this.segments.filter((segment) => segment.phase === "reasoning");
    this.reasoned = reasoning.reduce((sum, segment) => sum + ((segment.to ?? Date.now()) - segment.from), 0) / 1000;
  }
}

/** The first `seconds` since somebody was ready for it are told as what they were. */
export function withServer(segments: readonly Segment[], seconds: number | null | undefined): Segment[] {
  const at = segments.findLastIndex(({ phase }) => phase === "prefill" || phase === "sent");
  const reading = segments[at];
  if (!seconds || !reading || reading.to === null) return [...segments];
  const until = Math.min(reading.to, reading.from + seconds * 1000);
  return [...segments.slice(0, at), { phase: "server", from: reading.from, to: until }, { phase: "prefill", from: until, to: reading.to }, ...segments.slice(at + 1)];
}

function messageOf(error: unknown): string {
  return error instanceof ApiError || error instanceof Error ? error.message : String(error);
}
