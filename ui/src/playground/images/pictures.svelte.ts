// Pictures by OpenAI's API or by that of the Stable Diffusion web UI: what is asked for, and what came.
import { load, save } from "../../lib/storage";
import { askJson } from "../asking";
import { Jobs } from "../job.svelte";

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

const FIRST: Wanted = { model: "", api: "openai", prompt: "", size: "512x512", count: 1, negative: "", steps: 20, cfg: 7, seed: -1, sampler: "", scheduler: "" };

class Pictures {
  wanted = $state<Wanted>({ ...FIRST, ...load<Partial<Wanted>>("playground.images", {}) });
  loras = $state<Lora[]>([]);
  hasLoras = $state(false);
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

  request(): { path: string; body: Record<string, unknown> } {
    const { api, ...wanted } = $state.snapshot(this.wanted);
    return api === "openai" ? { path: "v1/images/generations", body: openai(wanted) } : { path: "sdapi/v1/txt2img", body: sdapi(wanted, $state.snapshot(this.loras)) };
  }

  generate(): Promise<void> {
    const { path, body } = this.request();
    const { model, prompt, size } = $state.snapshot(this.wanted);
    const began = Date.now();
    return this.jobs.run(model, async (how) => {
      const urls = urlsOf(await askJson<Answer>("POST", path, { body, ...how }));
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

interface Answer {
  data?: { b64_json?: string; url?: string }[];
  images?: string[];
}

type Asked = Omit<Wanted, "api">;

export function openai({ model, prompt, count, size }: Asked): Record<string, unknown> {
  return { model, prompt, n: count, size };
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
