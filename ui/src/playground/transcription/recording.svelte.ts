// The microphone: a recording begins, and ends as a sound file.
import { asWav } from "./wav";

const LONGEST = 60 * 60 * 1000; // ms; a forgotten one ends by itself

class Recording {
  phase = $state<"idle" | "asking" | "recording" | "finishing">("idle");
  /** When it began, in ms since the epoch. */
  since = $state(0);
  fault = $state("");
  #recorder: MediaRecorder | null = null;
  /** Nobody has said `stop` while the browser was still asking. */
  #isWanted = false;

  /** Asks for the microphone and records until `stop`. Gives the sound to `take`; what goes wrong is in `fault`. */
  async start(take: (file: File) => void): Promise<void> {
    if (this.phase !== "idle") return;
    this.fault = "";
    if (!canRecord()) {
      this.fault = whyNot();
      return;
    }
    this.phase = "asking";
    this.#isWanted = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      try {
        if (this.#isWanted) await this.#record(stream, take);
      } finally {
        for (const track of stream.getTracks()) track.stop();
      }
    } catch (error) {
      this.fault = faultOf(error);
    }
    this.#recorder = null;
    this.phase = "idle";
  }

  stop(): void {
    this.#isWanted = false;
    if (this.#recorder?.state === "recording") this.#recorder.stop();
  }

  async #record(stream: MediaStream, take: (file: File) => void): Promise<void> {
    const recorder = (this.#recorder = new MediaRecorder(stream));
    const pieces: Blob[] = [];
    const over = new Promise<void>((resolve, reject) => {
      recorder.ondataavailable = (event) => pieces.push(event.data);
      recorder.onstop = () => resolve();
      recorder.onerror = () => reject(new Error("The recording broke off."));
    });
    recorder.start();
    this.since = Date.now();
    this.phase = "recording";
    const limit = setTimeout(() => this.stop(), LONGEST);
    await over.finally(() => clearTimeout(limit));
    this.phase = "finishing";
    const recorded = new Blob(pieces, { type: recorder.mimeType });
    const sound = await asWav(recorded).catch(() => recorded);
    take(new File([sound], `recording-${stamp(new Date(this.since))}.${endingOf(sound.type)}`, { type: sound.type }));
  }
}

function canRecord(): boolean {
  return typeof MediaRecorder !== "undefined" && navigator.mediaDevices?.getUserMedia !== undefined;
}

function whyNot(): string {
  if (window.isSecureContext) return "This browser cannot record. Record elsewhere, and choose the file.";
  return `Browsers let a page record only over HTTPS or on the machine itself, and this one came by plain HTTP from ${location.host}. Open it through HTTPS, or record elsewhere and choose the file.`;
}

export function faultOf(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  if (name === "NotAllowedError") return "The microphone is not allowed for this page. The browser's address bar is where that can be changed.";
  if (name === "NotFoundError") return "There is no microphone here.";
  if (name === "NotReadableError") return "The microphone cannot be used: another program may have it.";
  return `It could not be recorded: ${message}`;
}

function endingOf(type: string): string {
  return type.includes("wav") ? "wav" : type.includes("mp4") ? "m4a" : type.includes("ogg") ? "ogg" : "webm";
}

/** Hours, minutes and seconds. */
function stamp(at: Date): string {
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join("");
}

export const recording = new Recording();
