// A call whose answer comes in one piece: pictures, sounds, scores. One at a time per tool; a new one waits for nothing, it is
// only offered when the last one is over.
import { isAbort } from "../lib/api";
import { live } from "../lib/live.svelte";
import { notifications } from "../lib/notifications.svelte";
import { isAbout, newId } from "./asking";
import type { Phase, Segment, Waits } from "./answering.svelte";

export interface How {
  id: string;
  signal: AbortSignal;
}

class Job implements Waits {
  readonly id = newId();
  readonly asked = Date.now();
  readonly loading = "";
  phase = $state<Phase>("sent");
  readonly position = null;
  segments = $state.raw<readonly Segment[]>([{ phase: "sent", from: this.asked, to: null }]);
  readonly abort = new AbortController();

  constructor(readonly model: string) {}

  look(): void {
    const found = live.inflight.find((request) => isAbout(request, this.id));
    if (!found?.phase) return;
    const phase = found.phase === "receiving" ? "sent" : found.phase;
    if (phase === "queued" || phase === "loading") notifications.expect(found.model);
    if (phase === this.phase) return;
    this.phase = phase;
    this.segments = [...this.segments, { phase, from: Date.now(), to: null }];
  }
}

export class Jobs {
  /** The one under way. */
  job = $state.raw<Job | null>(null);
  error = $state.raw<unknown>(null);
  /** How long the last one took, in seconds. */
  took = $state<number | null>(null);

  get isRunning(): boolean {
    return this.job !== null;
  }

  /** Never rejects: `error` holds the reason. Stopping is no error. */
  async run(model: string, work: (how: How) => Promise<void>): Promise<void> {
    if (this.job) return;
    const job = (this.job = new Job(model));
    this.error = null;
    const deaf = live.on("inflight", () => job.look());
    try {
      await work({ id: job.id, signal: job.abort.signal });
      this.took = (Date.now() - job.asked) / 1000;
    } catch (error) {
      if (!isAbort(error)) this.error = error;
    }
    deaf();
    this.job = null;
  }

  stop(): void {
    this.job?.abort.abort();
  }
}
