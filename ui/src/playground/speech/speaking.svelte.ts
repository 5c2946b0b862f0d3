// Speech out of text: which voices a model has, and what it has said.
import { load, save } from "../../lib/storage";
import { ask, askJson } from "../asking";
import { Jobs } from "../job.svelte";

export const CAN = ["audio_speech"];
/** OpenAI's: what a field proposes until the model was asked for its own. */
export const OPENAI_VOICES: readonly string[] = ["alloy", "echo", "fable", "nova", "onyx", "sage", "shimmer"];
export const FORMATS = ["mp3", "wav", "opus", "aac", "flac"];
const KEPT = 20; // sounds in the page's memory

interface Wanted {
  model: string;
  /** Empty: the model's own choice. */
  voice: string;
  format: string;
  speed: number;
  autoplay: boolean;
}

export interface Sound {
  id: number;
  url: string;
  blob: Blob;
  text: string;
  voice: string;
  model: string;
  at: number;
  seconds: number;
}

class Speaking {
  text = $state("");
  wanted = $state<Wanted>({ model: "", voice: "", format: "mp3", speed: 1, autoplay: true, ...load<Partial<Wanted>>("playground.speech", {}) });
  sounds = $state.raw<readonly Sound[]>([]);
  /** The one that is played as soon as it is shown. */
  fresh = $state(0);
  readonly jobs = new Jobs();
  readonly voiceJobs = new Jobs();
  #known = $state<Record<string, string[]>>(load("playground.speech.voices", {}));
  #last = 0;

  /** Of the chosen model; null: it was not asked. */
  get voices(): readonly string[] | null {
    return this.#known[this.wanted.model] ?? null;
  }

  keep(): void {
    save("playground.speech", this.wanted);
  }

  /** A voice that is another model's is not taken along. */
  choose(model: string): void {
    const { voice } = this.wanted;
    const wasOfAnother = this.wanted.model !== model && this.voices?.includes(voice);
    this.wanted.model = model;
    if (this.voices ? !this.voices.includes(voice) : wasOfAnother) this.wanted.voice = this.voices?.[0] ?? "";
    this.keep();
  }

  request(): { path: string; body: Record<string, unknown> } {
    const { model, voice, format, speed } = $state.snapshot(this.wanted);
    return { path: "v1/audio/speech", body: { model, input: this.text, ...(voice.trim() ? { voice: voice.trim() } : {}), response_format: format, ...(speed !== 1 ? { speed } : {}) } };
  }

  speak(): Promise<void> {
    const { path, body } = this.request();
    const { model, voice } = $state.snapshot(this.wanted);
    const text = this.text;
    const began = Date.now();
    return this.jobs.run(model, async (how) => {
      const response = await ask("POST", path, { body, ...how });
      const blob = await response.blob();
      if (!blob.size) throw new Error("The answer holds no sound.");
      if (/json|text/.test(blob.type)) throw new Error(`The answer is no sound: ${(await blob.text()).slice(0, 300)}`);
      const sound = { id: ++this.#last, url: URL.createObjectURL(blob), blob, text, voice, model, at: Date.now(), seconds: (Date.now() - began) / 1000 };
      for (const old of this.sounds.slice(KEPT - 1)) URL.revokeObjectURL(old.url);
      this.sounds = [sound, ...this.sounds].slice(0, KEPT);
      this.fresh = sound.id;
    });
  }

  clear(): void {
    this.text = "";
    for (const sound of this.sounds) URL.revokeObjectURL(sound.url);
    this.sounds = [];
    this.jobs.error = null;
  }

  /** A failure leaves the voices as they are. */
  fetchVoices(): Promise<void> {
    const { model } = this.wanted;
    return this.voiceJobs.run(model, async (how) => {
      const found = voicesIn(await askJson<unknown>("GET", `v1/audio/voices?model=${encodeURIComponent(model)}`, how));
      if (!found.length) throw new Error("The model names no voices.");
      this.#known = { ...this.#known, [model]: found };
      save("playground.speech.voices", this.#known);
      this.choose(this.wanted.model);
    });
  }
}

/** A list of names, or of objects with an id or name, or either below `voices`. */
export function voicesIn(answer: unknown): string[] {
  const list: unknown = Array.isArray(answer) ? answer : (answer as { voices?: unknown } | null)?.voices;
  if (!Array.isArray(list)) return [];
  const names = list.map((each: unknown) => {
    if (typeof each === "string") return each;
    const { id, name } = (each ?? {}) as { id?: unknown; name?: unknown };
    return typeof id === "string" ? id : typeof name === "string" ? name : "";
  });
  return names.filter(Boolean);
}

/** What a sound of this kind is called as a file. */
export function endingOf(type: string): string {
  const kind = type.split(";")[0]?.split("/")[1] ?? "";
  return { mpeg: "mp3", "x-wav": "wav", wave: "wav", ogg: "ogg" }[kind] ?? (kind || "mp3");
}

export const speaking = new Speaking();
