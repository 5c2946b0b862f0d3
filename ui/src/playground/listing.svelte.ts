// What can be asked for: GET /v1/models, read anew when models change, in the groups that the picker shows.
import { get } from "../lib/api";
import { shownState } from "../lib/details.svelte";
import { natural } from "../lib/format";
import { live } from "../lib/live.svelte";

export interface Listed {
  id: string;
  name: string;
  description: string;
  type: "model" | "peer" | "selector" | "profile" | "alias";
  /** As models' states are called; "" for what is served elsewhere. */
  state: string;
  capabilities: Record<string, boolean>;
  /** What it takes and what it gives, such as `text`; empty where the configuration does not tell. */
  takes: readonly string[];
  gives: readonly string[];
  aliases: string[];
  /** Of an alias: whose it is. */
  of: string;
  /** Of a selector: among whom it chooses. */
  targets: readonly string[];
}

export interface Group {
  label: string;
  models: Listed[];
}

interface Raw {
  id: string;
  name?: string;
  description?: string;
  capabilities?: Record<string, boolean>;
  architecture?: { input_modalities?: string[]; output_modalities?: string[] };
  status?: { value?: string };
  meta?: { llamaswap?: { type?: Listed["type"]; aliases?: string[]; modelID?: string; targets?: string[] } };
}

/** Not every configuration tells what a model is made for, and of embeddings none can: then names do. */
const SPECIAL_NAMES = /\b(?:embed|rerank|whisper|tts\b|flux|sdxl|stable-diffusion)/i;
const STATES: Record<string, string> = { loaded: "ready", loading: "starting", unloaded: "stopped" };

class Listing {
  all = $state.raw<readonly Listed[]>([]);
  isKnown = $state(false);
  error = $state.raw<unknown>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #isStale = false;

  /** Reads it now, and from now on 200 ms after every change of a model. Returns how to stop. */
  watch(): () => void {
    void this.refresh();
    const stop = live.on("modelStatus", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.refresh(), 200);
    });
    return () => {
      clearTimeout(this.#timer);
      stop();
    };
  }

  async refresh(): Promise<void> {
    if (this.#isAsking) {
      this.#isStale = true;
      return;
    }
    this.#isAsking = true;
    try {
      this.all = (await get<{ data: Raw[] }>("v1/models")).data.map(listed);
      this.error = null;
      this.isKnown = true;
    } catch (error) {
      this.error = error;
    }
    this.#isAsking = false;
    if (!this.#isStale) return;
    this.#isStale = false;
    void this.refresh();
  }

  /** By id or alias. */
  find(id: string): Listed | undefined {
    return this.all.find((model) => model.id === id) ?? this.all.find((model) => model.aliases.includes(id));
  }

  /** A selector is as far as the one of its targets that is the furthest. */
  stateOf(id: string): string {
    const known = live.model(id);
    if (known) return shownState(known);
    const found = this.find(id);
    if (!found) return "";
    return furthest(found.targets.flatMap((target) => (live.model(target)?.peerID ? [] : (live.model(target) ?? []))).map(shownState)) ?? found.state;
  }

  nameOf(id: string): string {
    const found = this.find(id);
    return found && found.id === id ? found.name : id;
  }
}

const FAR = ["answering", "ready", "starting", "queued", "stopping"];

/** Undefined where none of them is on its way. */
export function furthest(states: readonly string[]): string | undefined {
  return FAR.find((state) => states.includes(state));
}

function listed(raw: Raw): Listed {
  const about = raw.meta?.llamaswap ?? {};
  const type = about.type ?? "model";
  return {
    id: raw.id,
    name: raw.name || raw.id,
    description: raw.description ?? "",
    type,
    state: type === "peer" || type === "profile" ? "" : (STATES[raw.status?.value ?? ""] ?? "stopped"),
    capabilities: raw.capabilities ?? {},
    takes: raw.architecture?.input_modalities ?? [],
    gives: raw.architecture?.output_modalities ?? [],
    aliases: about.aliases ?? [],
    of: about.modelID ?? "",
    targets: about.targets ?? [],
  };
}

/** What has every word in its id, name, description or aliases, in two parts: what may do it, and what is known to be made for
 * something else. `can`: capabilities of which one is needed; none: it has to chat. */
export function divided(all: readonly Listed[], can: readonly string[], search = ""): { fit: Listed[]; unfit: Listed[] } {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (model: Listed): boolean => {
    const text = [model.id, model.name, model.description, ...model.aliases].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  // Aliases that are listed by themselves stand under their model anyway.
  const found = all.filter((model) => model.type !== "alias" && matches(model));
  return { fit: found.filter((model) => mayDo(model, can)), unfit: found.filter((model) => !mayDo(model, can)) };
}

/** In the order of the picker: what can do it first. */
export function grouped(models: readonly Listed[], can: readonly string[]): Group[] {
  const found = [...models].sort((a, b) => natural(a.name, b.name) || natural(a.id, b.id));
  const able = found.filter((model) => can.some((each) => model.capabilities[each]));
  const rest = found.filter((model) => !able.includes(model));
  const of = (type: Listed["type"]): Listed[] => rest.filter((model) => model.type === type);
  return [
    { label: "Made for this", models: able },
    { label: "Profile", models: of("profile") },
    { label: "Selectors", models: of("selector") },
    { label: able.length ? "Other models" : "Models", models: of("model") },
    { label: "Peers", models: of("peer") },
  ].filter((group) => group.models.length);
}

/** Which to begin with: what was chosen last, else what can do it, a model that is ready before one that has to be loaded. Where
 * nothing special is needed and nothing is ready: a selector, which is most likely made for chats. */
export function firstOf(all: readonly Listed[], can: readonly string[], chosen: string): string {
  if (chosen && all.some((model) => model.id === chosen || model.aliases.includes(chosen))) return chosen;
  const able = all.filter((model) => (can.length ? can.some((each) => model.capabilities[each]) : isForChats(model)));
  const ready = able.filter((model) => model.state === "ready");
  const selector = can.length ? undefined : able.find((model) => model.type === "selector");
  return (ready.find((model) => model.type === "model") ?? ready[0] ?? selector ?? able.find((model) => model.type === "model") ?? able[0] ?? all[0])?.id ?? "";
}

function mayDo(model: Listed, can: readonly string[]): boolean {
  if (!can.length) return isForChats(model);
  return can.some((each) => model.capabilities[each]) || !Object.keys(model.capabilities).length;
}

/** Text in, text out, and neither scores nor (without tools) a voice. */
function isForChats({ id, name, aliases, capabilities, takes, gives }: Listed): boolean {
  if (capabilities.reranker || (capabilities.audio_speech && !capabilities.function_calling)) return false;
  if ([takes, gives].some((kinds) => kinds.length && !kinds.includes("text"))) return false;
  return ![id, name, ...aliases].some((each) => SPECIAL_NAMES.test(each));
}

export const listing = new Listing();
