// Pictures by OpenAI's API, from nothing or out of others, or by that of the Stable Diffusion web UI: what is asked for, and what came.
import { load, save } from "../../lib/storage";
import { askJson } from "../asking";
import { curlForm, curlJson } from "../curl";
import { blobOf } from "../download";
import { Jobs } from "../job.svelte";
import { dataUrl } from "../picture_files";

export const CAN = ["image_generation", "image_to_image"];
export const SIZES = ["512x512", "1024x1024", "1024x768", "768x1024", "1280x720", "720x1280", "1792x1024", "1024x1792"];
export const SAMPLERS = ["euler_a", "euler", "heun", "dpm2", "dpm++2s_a", "dpm++2m", "dpm++2mv2", "ipndm", "ipndm_v", "lcm", "ddim_trailing", "tcd"];
export const SCHEDULERS = ["discrete", "karras", "exponential", "ays", "gits"];
const KEPT = 20; // results in the page's memory

export interface Lora {
  name: string;
  path: string;
  /** 0 to 2; 0: it is not used. */
  multiplier: number;
}

export interface Wanted {
  model: string;
  api: "openai" | "sdapi";
  prompt: string;
  size: string;
  count: number;
  negative: string;
  steps: number;
  cfg: number;
  seed: number;
  sampler: string;
  scheduler: string;
}

export interface Result {
  id: number;
  urls: string[];
  prompt: string;
  model: string;
  size: string;
  seconds: number;
}

/** A picture to change, or where it may be changed. */
export interface Source {
  file: File;
  /** Its content as a data URL. */
  url: string;
}

const FIRST: Wanted = { model: "", api: "openai", prompt: "", size: "512x512", count: 1, negative: "", steps: 20, cfg: 7, seed: -1, sampler: "", scheduler: "" };

class Pictures {
  wanted = $state<Wanted>({ ...FIRST, ...load<Partial<Wanted>>("playground.images", {}) });
  loras = $state<Lora[]>([]);
  hasLoras = $state(false);
  /** What the picture is to begin with: with any it is an edit. They stay until the page is closed. */
  sources = $state.raw<readonly Source[]>([]);
  mask = $state.raw<Source | null>(null);
  results = $state.raw<readonly Result[]>([]);
  readonly jobs = new Jobs();
  readonly loraJobs = new Jobs();
  #last = 0;

  keep(): void {
    save("playground.images", this.wanted);
  }

  choose(model: string): void {
    if (model !== this.wanted.model) {
      this.loras = [];
      this.hasLoras = false;
    }
    this.wanted.model = model;
    this.keep();
  }

  async begin(files: readonly File[]): Promise<void> {
    const read = await Promise.all(files.map(sourceOf));
    this.sources = [...this.sources, ...read.filter(({ url }) => !this.sources.some((source) => source.url === url))];
  }

  /** `mask`: transparent where the picture may change. */
  async hide(mask: File): Promise<void> {
    this.mask = await sourceOf(mask);
  }

  drop(at: number): void {
    this.sources = this.sources.filter((_, index) => index !== at);
    if (!this.sources.length) this.mask = null;
  }

  /** A picture that was made is what the next one begins with. */
  async beginWith(url: string, name: string): Promise<void> {
    const blob = blobOf(url);
    if (!blob) return;
    Object.assign(this.wanted, { api: "openai" });
    this.keep();
    [this.sources, this.mask] = [[], null];
    await this.begin([new File([blob], `${name}.${blob.type.split("/")[1] ?? "png"}`, { type: blob.type })]);
  }

  get isEdit(): boolean {
    return this.wanted.api === "openai" && this.sources.length > 0;
  }

  request(): Request {
    const { api, ...wanted } = $state.snapshot(this.wanted);
    if (this.isEdit) return { path: "v1/images/edits", form: edit(wanted, this.sources.map(({ file }) => file), this.mask?.file) };
    return api === "openai" ? { path: "v1/images/generations", body: openai(wanted) } : { path: "sdapi/v1/txt2img", body: sdapi(wanted, $state.snapshot(this.loras)) };
  }

  /** The call as a command. */
  curl(): string {
    const { path, body, form } = this.request();
    return form ? curlForm(path, form.map(([name, value]) => [name, typeof value === "string" ? value : `@${value.name}`])) : curlJson(path, body);
  }

  generate(): Promise<void> {
    const { path, body, form } = this.request();
    const { model, prompt, size } = $state.snapshot(this.wanted);
    const began = Date.now();
    return this.jobs.run(model, async (how) => {
      const urls = urlsOf(await askJson<Answer>("POST", path, { body: form ? formData(form) : body, ...how }));
      if (!urls.length) throw new Error("The answer has no pictures.");
      const result = { id: ++this.#last, urls, prompt, model, size, seconds: (Date.now() - began) / 1000 };
      this.results = [result, ...this.results].slice(0, KEPT);
    });
  }

  fetchLoras(): Promise<void> {
    const { model } = this.wanted;
    return this.loraJobs.run(model, async (how) => {
      const found = await askJson<{ name?: string; path: string }[]>("GET", `sdapi/v1/loras?model=${encodeURIComponent(model)}`, how);
      this.loras = found.map(({ name, path }) => ({ name: name || path, path, multiplier: 0 }));
      this.hasLoras = true;
    });
  }
}

type Fields = readonly (readonly [string, string | File])[];

interface Request {
  path: string;
  body?: Record<string, unknown>;
  /** Instead of `body`. */
  form?: Fields;
}

interface Answer {
  data?: { b64_json?: string; url?: string }[];
  images?: string[];
}

type Asked = Omit<Wanted, "api">;

export function openai({ model, prompt, count, size }: Asked): Record<string, unknown> {
  return { model, prompt, n: count, size };
}

/** The files come last, so that the server knows the model before it has read them. */
export function edit({ model, prompt, count, size }: Asked, files: readonly File[], mask?: File): Fields {
  const name = files.length > 1 ? "image[]" : "image";
  return [["model", model], ["prompt", prompt], ["n", String(count)], ["size", size], ...files.map((file) => [name, file] as const), ...(mask ? [["mask", mask] as const] : [])];
}

function formData(fields: Fields): FormData {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  return form;
}

async function sourceOf(file: File): Promise<Source> {
  return { file, url: await dataUrl(file) };
}

export function sdapi(wanted: Asked, loras: readonly Lora[]): Record<string, unknown> {
  const [width = 512, height = 512] = wanted.size.split("x").map(Number);
  const used = loras.filter((lora) => lora.multiplier > 0).map(({ path, multiplier }) => ({ path, multiplier }));
  return {
    model: wanted.model,
    prompt: wanted.prompt,
    ...(wanted.negative ? { negative_prompt: wanted.negative } : {}),
    width,
    height,
    steps: wanted.steps,
    cfg_scale: wanted.cfg,
    seed: wanted.seed,
    batch_size: wanted.count,
    ...(wanted.sampler ? { sampler_name: wanted.sampler } : {}),
    ...(wanted.scheduler ? { scheduler: wanted.scheduler } : {}),
    ...(used.length ? { lora: used } : {}),
  };
}

/** As data URLs, or the addresses that the server named. */
export function urlsOf(answer: Answer): string[] {
  const found = [...(answer.data ?? []).map((each) => each.b64_json ?? each.url ?? ""), ...(answer.images ?? [])];
  return found.filter(Boolean).map((each) => (/^(https?:|data:image\/)/.test(each) ? each : `data:${kindOf(each)};base64,${each}`));
}

/** By the first bytes. */
function kindOf(base64: string): string {
  if (base64.startsWith("/9j/")) return "image/jpeg";
  return base64.startsWith("UklGR") ? "image/webp" : "image/png";
}

export const pictures = new Pictures();
