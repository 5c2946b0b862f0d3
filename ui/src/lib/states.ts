// The states of a model in words, with the icon and the colour that mean the same everywhere.
import type { IconName } from "./icons";

export type Tone = "ok" | "moving" | "waiting" | "bad" | "idle" | "accent";

export interface Look {
  text: string;
  icon: IconName;
  tone: Tone;
  /** How it stands in a sentence: "Hare is loading." */
  says: string;
}

const LOOKS: Record<string, Look> = {
  ready: { text: "Ready", icon: "ready", tone: "ok", says: "is ready" },
  answering: { text: "Answering", icon: "send", tone: "accent", says: "is answering" },
  starting: { text: "Loading", icon: "loading", tone: "moving", says: "is loading" },
  stopping: { text: "Stopping", icon: "stopping", tone: "moving", says: "is stopping" },
  stopped: { text: "Stopped", icon: "stopped", tone: "idle", says: "has stopped" },
  failed: { text: "Failed", icon: "failed", tone: "bad", says: "failed" },
  queued: { text: "Queued", icon: "queued", tone: "waiting", says: "waits to be loaded" },
  peer: { text: "On a peer", icon: "peer", tone: "idle", says: "is served by a peer" },
};

/** Of a state as the server tells it; a peer's model has none. */
export function look(state: string): Look {
  return LOOKS[state || "peer"] ?? { text: state, icon: "unknown", tone: "idle", says: `is ${state}` };
}

/** How far up a state stands in a list. */
export function rank(state: string): number {
  const at = ["ready", "starting", "stopping", "queued"].indexOf(state);
  return at < 0 ? 4 : at;
}
