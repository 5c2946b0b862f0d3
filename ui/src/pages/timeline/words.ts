// Segments in words.
import type { Change } from "../../lib/api.gen";
import { loaded } from "../../lib/causes";
import { duration, timeOfDay } from "../../lib/format";
import type { Segment, SegmentState } from "./lanes";

export const STATES: Record<SegmentState, string> = { starting: "Loading", ready: "Ready", stopping: "Stopping" };

/** "Loading, 14:03:12 to 14:03:20, 8.2 s". */
export function said(segment: Segment): string {
  const to = segment.ended ? timeOfDay(segment.to * 1000) : "now";
  return `${STATES[segment.state]}, ${timeOfDay(segment.from * 1000)} to ${to}, ${segment.isOpen ? "more than " : ""}${duration(segment.to - segment.from)}`;
}

/** Why something changed, and for whom. */
export function cause(change: Change | null): string {
  if (!change) return "";
  if (change.state === "ready" && change.seconds != null) return loaded(change, change.seconds);
  const model = change.for_model && !change.cause.includes(change.for_model) ? `, for ${change.for_model}` : "";
  return `${change.cause}${model}`;
}
