// The columns of requests under way, and how far each one is, in words.
import { UNKNOWN, bytes, perSecond, wholeDuration } from "../../lib/format";
import type { IconName } from "../../lib/icons";
import type { Inflight } from "../../lib/inflight";
import type { Tone } from "../../lib/states";
import { streamSpeed } from "../../lib/stream_speed";
import { placeOf } from "../../lib/waiting";
import type { ColumnChoice } from "./columns";

export interface InflightColumn extends ColumnChoice {
  align?: "right";
  wide?: boolean;
  silent?: boolean;
}

export const INFLIGHT: readonly InflightColumn[] = [
  { id: "phase", label: "Phase" },
  { id: "model", label: "Model" },
  { id: "request", label: "Request", wide: true },
  { id: "waiting", label: "Waiting for", wide: true },
  { id: "elapsed", label: "Elapsed", align: "right" },
  { id: "speed", label: "Tokens/s", align: "right", wide: true, isOff: true },
  { id: "bytes", label: "Received", align: "right", wide: true },
  { id: "address", label: "Address", wide: true },
  { id: "agent", label: "User agent", wide: true, isOff: true },
  { id: "session", label: "Session", wide: true, isOff: true },
  { id: "cancel", label: "Cancel", silent: true },
];

/** What a card shows at first. */
export const CARD = ["model", "phase", "elapsed", "waiting", "bytes"];

export interface PhaseLook {
  text: string;
  icon: IconName;
  tone: Tone;
  spins?: boolean;
}

const PHASES: Record<string, PhaseLook> = {
  receiving: { text: "Receiving", icon: "download", tone: "idle" },
  queued: { text: "Queued", icon: "queued", tone: "waiting" },
  loading: { text: "Model loads", icon: "loading", tone: "moving", spins: true },
  prefill: { text: "Reads the prompt", icon: "loading", tone: "accent", spins: true },
  streaming: { text: "Answers", icon: "send", tone: "ok" },
};

/** Of a server that tells no phase: only that it is under way. `all`: the requests under way, of all models. */
export function phaseLook(request: Inflight, all: readonly Inflight[]): PhaseLook {
  const look = PHASES[request.phase ?? ""] ?? { text: "Under way", icon: "loading", tone: "idle" };
  return request.phase === "queued" && request.position ? { ...look, text: `Queued, ${placeOf(request, all).toLowerCase()}` } : look;
}

/** Seconds since it began, by this browser's clock only. */
export function elapsed(request: Inflight, now: number): number {
  return Math.max(0, request.elapsed_ms + now - request.seen) / 1000;
}

export function elapsedText(request: Inflight, now: number): string {
  return wholeDuration(Math.floor(elapsed(request, now)));
}

export function received(request: Inflight): string {
  return request.resp_bytes ? bytes(request.resp_bytes) : "–";
}

/** How many tokens pass now, about. */
export function speedText(request: Inflight, now: number): string {
  const speed = streamSpeed(request, now);
  return speed === null ? UNKNOWN : `≈ ${perSecond(speed, true)}`;
}

/** The first of some headers that a request has, whatever their case. */
export function header(request: Inflight, names: readonly string[]): string {
  const all = Object.entries(request.req_headers ?? {});
  for (const name of names) {
    const found = all.find(([other]) => other.toLowerCase() === name.toLowerCase());
    if (found?.[1]) return found[1];
  }
  return "";
}
