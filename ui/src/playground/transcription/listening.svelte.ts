// Text out of sound.
import { load, save } from "../../lib/storage";
import { ask } from "../asking";
import { Jobs } from "../job.svelte";

export const CAN = ["audio_transcriptions"];
export const FORMATS = ["json", "verbose_json", "text", "srt", "vtt"] as const;
export const KINDS = ".mp3,.wav,.ogg,.oga,.opus,.flac,.m4a,.mp4,.mpeg,.mpga,.webm,audio/*";
const ENDINGS = /\.(mp3|wav|ogg|oga|opus|flac|m4a|mp4|mpeg|mpga|webm)$/i;

interface Wanted {
  model: string;
  format: (typeof FORMATS)[number];
  language: string;
  prompt: string;
}

export interface Heard {
  text: string;
  /** As the server wrote it. */
  raw: string;
  format: Wanted["format"];
  /** Seconds. */
  segments: { start: number; end: number; text: string }[];
  language: string;
  file: string;
  seconds: number;
}

class Listening {
  wanted = $state<Wanted>({ model: "", format: "json", language: "", prompt: "", ...load<Partial<Wanted>>("playground.transcription", {}) });
  file = $state.raw<File | null>(null);
  fault = $state("");
  heard = $state.raw<Heard | null>(null);
  readonly jobs = new Jobs();

  keep(): void {
    save("playground.transcription", this.wanted);
  }

  choose(model: string): void {
    this.wanted.model = model;
    this.keep();
  }

  take(file: File | undefined): void {
    if (!file) return;
    this.fault = isSound(file) ? "" : `${file.name} does not look like a sound: MP3, WAV, Ogg, FLAC, M4A or WebM.`;
    if (!this.fault) this.file = file;
  }

  fields(): [string, string][] {
    const { model, format, language, prompt } = this.wanted;
    return [["model", model], ["response_format", format], ...(language.trim() ? [["language", language.trim()] as [string, string]] : []), ...(prompt.trim() ? [["prompt", prompt.trim()] as [string, string]] : [])];
  }

  transcribe(): Promise<void> {
    const { file } = this;
    if (!file) return Promise.resolve();
    const { model, format } = $state.snapshot(this.wanted);
    const form = new FormData();
    // Before the file, so that the server knows the model before it has read it all.
    for (const [name, value] of this.fields()) form.append(name, value);
    form.append("file", file, file.name);
    const began = Date.now();
    return this.jobs.run(model, async (how) => {
      const raw = await (await ask("POST", "v1/audio/transcriptions", { body: form, ...how })).text();
      this.heard = { ...heardIn(raw, format), format, file: file.name, seconds: (Date.now() - began) / 1000 };
    });
  }

  clear(): void {
    this.file = null;
    this.heard = null;
    this.fault = "";
    this.jobs.error = null;
  }
}

export function isSound(file: { name: string; type: string }): boolean {
  return file.type.startsWith("audio/") || ENDINGS.test(file.name);
}

export function heardIn(raw: string, format: Wanted["format"]): Pick<Heard, "text" | "raw" | "segments" | "language"> {
  if (format === "json" || format === "verbose_json") {
    try {
      const found = JSON.parse(raw) as { text?: string; language?: string; segments?: Heard["segments"] };
      return { text: (found.text ?? "").trim(), raw, segments: found.segments ?? [], language: found.language ?? "" };
    } catch {
      // Some servers answer with plain text whatever was asked for.
    }
  }
  return { text: raw.trim(), raw, segments: [], language: "" };
}

export const listening = new Listening();
