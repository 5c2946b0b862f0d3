// Which models are shown, in which order.
import type { CatalogEntry, ModelStatus } from "../../lib/api.gen";
import { natural } from "../../lib/format";
import { rank } from "../../lib/states";
import { familyOf } from "./grouping";

export const CAPABILITIES: Record<string, string> = {
  vision: "Vision",
  audio_transcriptions: "Transcription",
  audio_speech: "Speech",
  image_generation: "Image generation",
  image_to_image: "Image to image",
  function_calling: "Function calling",
  reranker: "Reranker",
};

export interface Wanted {
  /** Words; all of them must be found. */
  text: string;
  /** "", or a state as it is shown. A model that answers is a ready one, too. */
  state: string;
  capability: string;
  unlisted: boolean;
}

export const ORDERS = { state: "Ready first", name: "Name", used: "Last used", requests: "Most used", memory: "Memory", context: "Context" } as const;
export type SortBy = keyof typeof ORDERS;

/** In which direction a column is sorted first: of what is counted, the most stands on top. */
export function firstOrder(by: SortBy): "asc" | "desc" {
  return by === "state" || by === "name" ? "asc" : "desc";
}

/** What is known of a model beside its status. */
export interface Known {
  state: string;
  memory: number;
  /** Seconds since the epoch, 0: never. */
  used: number;
  requests: number;
  isPinned: boolean;
}

/** Words are looked for in all its names, what is said of it, its family and its tags. `entry`: undefined where none is known yet. */
export function matches(model: ModelStatus, state: string, wanted: Wanted, entry?: CatalogEntry): boolean {
  if (model.unlisted && !wanted.unlisted) return false;
  if (wanted.state && state !== wanted.state && !(wanted.state === "ready" && state === "answering")) return false;
  if (wanted.capability && !model.capabilities?.[wanted.capability]) return false;
  const family = entry?.family || familyOf(model.id);
  const told = [model.id, model.name, model.description, family, ...(model.aliases ?? []), ...(entry?.tags ?? [])].join(" ").toLowerCase();
  return wanted.text.toLowerCase().split(/\s+/).every((word) => told.includes(word));
}

/** Pinned ones first; by state: ready, moving, the others, each by name. */
export function compare(by: SortBy, order: "asc" | "desc", known: (model: ModelStatus) => Known): (a: ModelStatus, b: ModelStatus) => number {
  const sign = order === "desc" ? -1 : 1;
  const byName = (a: ModelStatus, b: ModelStatus): number => natural(a.name || a.id, b.name || b.id) || natural(a.id, b.id);
  const byValue: Record<SortBy, (a: ModelStatus, b: ModelStatus) => number> = {
    name: byName,
    state: (a, b) => rank(a.state) - rank(b.state),
    context: (a, b) => (a.context_length ?? 0) - (b.context_length ?? 0),
    memory: (a, b) => known(a).memory - known(b).memory,
    used: (a, b) => known(a).used - known(b).used,
    requests: (a, b) => known(a).requests - known(b).requests,
  };
  return (a, b) => Number(known(b).isPinned) - Number(known(a).isPinned) || sign * byValue[by](a, b) || byName(a, b);
}
