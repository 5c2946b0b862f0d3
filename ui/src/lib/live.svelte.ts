// What the server tells as it changes (GET /api/events), kept for all pages.
//
// A break is not hidden: after two seconds without a stream `isStale` says so, and what is shown stays as it was, with the time
// of the last news. A stream begins with the present state, so a new one replaces what is known without emptying it first.
import type { Change, ModelStatus, TransitionPage } from "./api.gen";
import { call, get } from "./api";
import { LogTail, type Mark } from "./log_tail";
import { type Inflight, type InflightEvent, applyInflight } from "./inflight";
import { session } from "./session.svelte";
import { type Snapshot, snapshot } from "./snapshot";
import { readEvents } from "./sse";

const RETRIES = [1, 2, 4, 5]; // seconds; the last one is repeated
const PATIENCE = 2000; // ms without a stream before the page says so
const SILENCE = 40_000; // ms; the server sends a comment every 15 s
const TRANSITIONS = 200;

type Listener = (data: unknown) => void;

class Live {
  /** There is a stream, and the present state has been told. */
  isLive = $state(false);
  /** There has been no stream for a while: what is shown may be wrong. */
  isStale = $state(false);
  /** When something was last heard, in ms since the epoch; 0: never. */
  asOf = $state(0);
  /** When the next attempt is made, in ms since the epoch; null: one is under way, or none is needed. */
  retryAt = $state<number | null>(null);
  /** Whether the first news have come: until then lists are unknown, not empty. */
  hasModels = $state(false);

  models = $state.raw<readonly ModelStatus[]>([]);
  inflight = $state.raw<readonly Inflight[]>([]);
  /** The newest first. */
  transitions = $state.raw<readonly Change[]>([]);
  hasTransitions = $state(false);
  /** The active one. */
  profile = $state<string | null>(null);
  /** The ids of all. */
  profiles = $state.raw<readonly string[]>([]);
  /** The configuration's files, and whether Swapyard notices when they change; null: not told yet. */
  config = $state.raw<{ files: readonly string[]; watched: boolean } | null>(null);
  /** Request headers that name a session. */
  sessionHeaders = $state.raw<readonly string[]>([]);
  /** Counts up with every finished request; 0: none yet. */
  activityId = $state(0);
  /** Counts the streams: what is fetched once per connection watches it. */
  connections = $state(0);
  readonly logs = { proxy: new LogTail(), upstream: new LogTail() };

  readonly #listeners = new Map<string, Set<Listener>>();
  /** The changes that this stream has told, the newest first. */
  #told: Change[] = [];
  #attempt = 0;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #lastHeard = 0;

  start(): void {
    if (snapshot) this.#begin(snapshot);
    this.#lost();
    void this.#connect();
    window.addEventListener("online", () => this.retryNow());
  }

  retryNow(): void {
    if (this.isLive) return;
    clearTimeout(this.#timer);
    void this.#connect();
  }

  /** Ends the stream, for whoever signs out: nothing more is told. */
  drop(): void {
    this.#abort?.abort();
  }

  /** After a key was given. */
  signedIn(): void {
    this.#attempt = 0;
    this.retryNow();
  }

  /** Hears every event of a kind, those of kinds that this page does not know too. Returns how to stop. */
  on(kind: string, listener: Listener): () => void {
    const found = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, found.add(listener));
    return () => found.delete(listener);
  }

  model(id: string): ModelStatus | undefined {
    return this.models.find((model) => model.id === id) ?? this.models.find((model) => model.aliases?.includes(id));
  }

  /** What is known before there is a stream. */
  #begin({ events, transitions }: Snapshot): void {
    for (const { type, data } of events) this.#apply(type, data);
    this.transitions = transitions.transitions;
    this.hasTransitions = true;
  }

  async #connect(): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.retryAt = null;
    try {
      const answer = await call("GET", "api/events", { signal: abort.signal });
      if (!answer.body) throw new Error("no stream");
      this.#heard();
      this.#fresh();
      await readEvents(answer.body, (data) => this.#event(data), () => this.#heard());
    } catch {
      // However it ended: there is no stream any more.
    }
    if (this.#abort !== abort) return;
    this.#lost();
    if (session.needsKey) return;
    const wait = (RETRIES[Math.min(this.#attempt++, RETRIES.length - 1)] ?? 5) * 1000;
    this.retryAt = Date.now() + wait;
    this.#timer = setTimeout(() => void this.#connect(), wait);
  }

  /** A stream begins: its first events replace what is known. */
  #fresh(): void {
    this.#attempt = 0;
    this.connections += 1;
    this.logs.proxy.expectHistory();
    this.logs.upstream.expectHistory();
    this.#told = [];
    void this.#fetchTransitions();
  }

  async #fetchTransitions(): Promise<void> {
    try {
      const page = await get<TransitionPage>(`api/transitions?limit=${TRANSITIONS}`);
      const newest = page.transitions[0]?.id ?? 0;
      // What was told meanwhile may be newer than the answer. Another process counts from 1 again.
      const told = this.#told.filter((change) => change.id > newest);
      this.transitions = [...told, ...page.transitions].slice(0, TRANSITIONS);
    } catch {
      // The stream's own changes are shown; the next connection asks again.
    }
    this.hasTransitions = true;
  }

  #heard(): void {
    this.#lastHeard = Date.now();
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#abort?.abort(), SILENCE);
  }

  #lost(): void {
    if (this.#lastHeard) this.asOf = this.#lastHeard;
    this.isLive = false;
    clearTimeout(this.#silence);
    this.#patience ??= setTimeout(() => (this.isStale = true), PATIENCE);
  }

  #synced(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.isLive = true;
    this.isStale = false;
  }

  #event(text: string): void {
    const { type, data } = JSON.parse(text) as { type: string; data: string };
    const parsed: unknown = JSON.parse(data);
    this.#apply(type, parsed);
    // The last of what a stream begins with.
    if (type === "inflight" && (parsed as InflightEvent).operation === "snapshot") this.#synced();
    for (const listener of this.#listeners.get(type) ?? []) listener(parsed);
  }

  #apply(type: string, parsed: unknown): void {
    switch (type) {
      case "modelStatus":
        this.models = parsed as ModelStatus[];
        this.hasModels = true;
        break;
      case "inflight":
        this.inflight = applyInflight(this.inflight, parsed as InflightEvent, Date.now());
        break;
      case "transition":
        this.#transition(parsed as Change);
        break;
      case "profileChanged":
        this.profile = (parsed as { active: string | null }).active;
        break;
      case "uiConfig": {
        const { activity, profiles, config } = parsed as { activity?: { session_id?: string[] }; profiles?: string[]; config?: { files: string[]; watched: boolean } };
        this.config = config ?? null;
        this.sessionHeaders = activity?.session_id ?? [];
        this.profiles = profiles ?? [];
        break;
      }
      case "activity":
        this.activityId = (parsed as { id: number }).id;
        break;
      case "logData": {
        const { source, data: lines, times } = parsed as { source: "proxy" | "upstream"; data: string; times?: readonly Mark[] };
        this.logs[source]?.append(lines, times);
        break;
      }
    }
  }

  #transition(change: Change): void {
    this.#told.unshift(change);
    if (this.#told.length > TRANSITIONS) this.#told.length = TRANSITIONS;
    this.transitions = [change, ...this.transitions].slice(0, TRANSITIONS);
  }
}

export const live = new Live();
