import { describe, expect, test } from "vitest";
import { type Answering, withServer } from "./answering.svelte";
import { curlForm, curlJson } from "./curl";
import { edit, openai, sdapi, urlsOf } from "./images/pictures.svelte";
import { type Listed, divided, firstOf, furthest, grouped } from "./listing.svelte";
import { asCsv, totalsOf } from "./load/load_test.svelte";
import { parsed, scoresIn, sorted } from "./rerank/ranking.svelte";
import { endingOf, voicesIn } from "./speech/speaking.svelte";
import { heardIn, isSound } from "./transcription/listening.svelte";

function model(id: string, more: Partial<Listed> = {}): Listed {
  return { id, name: id, description: "", type: "model", state: "stopped", capabilities: {}, takes: [], gives: [], aliases: [], of: "", targets: [], ...more };
}

describe("the model picker", () => {
  const all = [model("model-10"), model("model-9", { aliases: ["nine"] }), model("owl", { capabilities: { reranker: true } }), model("any", { type: "selector" }), model("there/x", { type: "peer" }), model("nine", { type: "alias" })];

  test("puts what can do it first, then selectors, models and peers, in natural order", () => {
    expect(grouped(all, ["reranker"]).map((group) => [group.label, ...group.models.map((each) => each.id)])).toEqual([
      ["Made for this", "owl"],
      ["Selectors", "any"],
      ["Other models", "model-9", "model-10"],
      ["Peers", "there/x"],
    ]);
  });

  test("finds by alias, and by every word", () => {
    expect(divided(all, [], "nine").fit.map((each) => each.id)).toEqual(["model-9"]);
    expect(divided(all, [], "model 10").fit.map((each) => each.id)).toEqual(["model-10"]);
  });

  test("tells apart what is made for something else, as far as that is known", () => {
    const made = [
      model("whisper", { capabilities: { audio_transcriptions: true }, takes: ["audio"], gives: ["text"] }),
      model("omni", { capabilities: { audio_transcriptions: true }, takes: ["text", "audio"], gives: ["text"] }),
      model("parrot", { capabilities: { audio_speech: true, audio_transcriptions: true }, takes: ["text", "audio"], gives: ["text", "audio"] }),
      model("talker", { capabilities: { audio_speech: true, function_calling: true }, takes: ["text", "audio"], gives: ["text", "audio"] }),
      model("painter", { capabilities: { image_generation: true }, takes: ["text"], gives: ["image"] }),
      model("rank", { capabilities: { reranker: true } }),
      model("bge", { aliases: ["text-embedding-3"] }),
      model("unknown"),
    ];
    const names = (can: string[]): string[][] => Object.values(divided(made, can)).map((part) => part.map(({ id }) => id));
    expect(names([])).toEqual([["omni", "talker", "unknown"], ["whisper", "parrot", "painter", "rank", "bge"]]);
    expect(names(["audio_transcriptions"])).toEqual([["whisper", "omni", "parrot", "bge", "unknown"], ["talker", "painter", "rank"]]);
  });

  test("begins with what was chosen, else with what can do it and is ready, else with a selector", () => {
    expect([firstOf(all, [], "nine"), firstOf(all, ["reranker"], "gone"), firstOf(all, [], "")]).toEqual(["nine", "owl", "any"]);
    const ready = { state: "ready" };
    expect(firstOf([model("any", { type: "selector", ...ready }), model("owl", { capabilities: { reranker: true }, ...ready }), model("e", { aliases: ["text-embedding-3"], ...ready }), model("bge-reranker-v2", ready), model("a"), model("b", ready)], [], "")).toBe("b");
    expect(firstOf([model("any", { type: "selector" }), model("bge", { aliases: ["embed"], ...ready })], [], "")).toBe("any");
  });
});

describe("pictures", () => {
  const wanted = { model: "m", prompt: "p", size: "1024x768", count: 2, negative: "n", steps: 20, cfg: 7, seed: -1, sampler: "", scheduler: "karras" };

  test("are asked for in both APIs", () => {
    expect(openai(wanted)).toEqual({ model: "m", prompt: "p", n: 2, size: "1024x768" });
    const loras = [{ name: "a", path: "a.safetensors", multiplier: 0.5 }, { name: "b", path: "b", multiplier: 0 }];
    expect(sdapi(wanted, loras)).toEqual({ model: "m", prompt: "p", negative_prompt: "n", width: 1024, height: 768, steps: 20, cfg_scale: 7, seed: -1, batch_size: 2, scheduler: "karras", lora: [{ path: "a.safetensors", multiplier: 0.5 }] });
  });

  test("are changed by a form with the files behind everything else", () => {
    const [one, two, mask] = ["1.png", "2.png", "m.png"].map((name) => new File([], name));
    const fields = [["model", "m"], ["prompt", "p"], ["n", "2"], ["size", "1024x768"]];
    expect(edit(wanted, [one!])).toEqual([...fields, ["image", one]]);
    expect(edit(wanted, [one!, two!], mask)).toEqual([...fields, ["image[]", one], ["image[]", two], ["mask", mask]]);
  });

  test("come in three forms", () => {
    expect(urlsOf({ data: [{ b64_json: "iVBOR" }, { url: "https://x/y.png" }], images: ["/9j/4AA"] })).toEqual(["data:image/png;base64,iVBOR", "https://x/y.png", "data:image/jpeg;base64,/9j/4AA"]);
    expect(urlsOf({})).toEqual([]);
  });
});

test("voices come as a list or below a key, as names or objects", () => {
  expect([voicesIn(["a"]), voicesIn({ voices: ["a", "b"] }), voicesIn({ voices: [{ id: "x" }, { name: "y" }] }), voicesIn({}), voicesIn(null)]).toEqual([["a"], ["a", "b"], ["x", "y"], [], []]);
  expect([endingOf("audio/mpeg"), endingOf("audio/wav; rate=16000"), endingOf("")]).toEqual(["mp3", "wav", "mp3"]);
});

test("transcriptions are read in each format", () => {
  expect(heardIn('{"text":" Hi. ","language":"en","segments":[{"start":0,"end":1,"text":"Hi."}]}', "verbose_json")).toMatchObject({ text: "Hi.", language: "en", segments: [{ end: 1 }] });
  expect(heardIn("plain", "json")).toMatchObject({ text: "plain" });
  expect(heardIn("WEBVTT\n", "vtt").text).toBe("WEBVTT");
  expect([isSound({ name: "a.MP3", type: "" }), isSound({ name: "a", type: "audio/x" }), isSound({ name: "a.txt", type: "text/plain" })]).toEqual([true, true, false]);
});

describe("reranking", () => {
  test("the JSON of the editor is checked", () => {
    expect(parsed('{"query":"q","documents":["a"]}')).toEqual({ query: "q", documents: ["a"] });
    for (const [text, why] of [["{", "JSON"], ["{}", "query"], ['{"query":"q","documents":[1]}', "documents"]] as const) expect(() => parsed(text)).toThrow(why);
  });

  test("scores are sorted in three ways", () => {
    const scores = scoresIn({ results: [{ index: 1, relevance_score: 0.9 }, { index: 0, relevance_score: -2 }, { index: 2, score: 0.1 }] });
    expect((["descending", "ascending", "none"] as const).map((order) => sorted(scores, order).map(([index]) => index))).toEqual([[1, 2, 0], [0, 2, 1], [0, 1, 2]]);
  });
});

test("a selector is as far as the furthest of its targets", () => {
  const states = [["stopped", "queued"], ["queued", "starting"], ["ready", "starting"], ["ready", "answering"], ["stopped", "failed"], []];
  expect(states.map(furthest)).toEqual(["queued", "starting", "ready", "answering", undefined, undefined]);
});

describe("a load test", () => {
  const numbers = (total: number): Answering["numbers"] => ({ prompt: 5, cached: 0, generated: 10, prefill: null, decode: 20, firstToken: 0.5, wait: 1, server: 0.25, total, finish: "stop", isEstimate: true });
  const runs = [
    { phase: "done" as const, numbers: numbers(1) },
    { phase: "done" as const, numbers: numbers(3) },
    { phase: "failed" as const, numbers: numbers(99) },
  ];

  test("measures what is done, and counts what failed", () => {
    expect(totalsOf(runs, 4)).toMatchObject({ done: 2, failed: 1, tokens: 20, throughput: 5, total: { p50: 1, p95: 3, max: 3 }, firstToken: { p50: 1.5 }, wait: { p50: 1.25 } });
    expect(totalsOf([], 0)).toMatchObject({ done: 0, throughput: null, total: { p50: null } });
  });

  test("draws a wait at the model's server as one, once it is known", () => {
    const drawn = [{ phase: "queued" as const, from: 0, to: 10 }, { phase: "prefill" as const, from: 10, to: 40 }, { phase: "streaming" as const, from: 40, to: 50 }];
    expect(withServer(drawn, 0.02).map(({ phase, from, to }) => [phase, from, to])).toEqual([["queued", 0, 10], ["server", 10, 30], ["prefill", 30, 40], ["streaming", 40, 50]]);
    expect(withServer(drawn, 0)).toEqual(drawn);
    expect(withServer(drawn, null)).toEqual(drawn);
  });

  test("is exported as rows that no spreadsheet takes for formulas", () => {
    const run = { phase: "failed", numbers: numbers(1), asked: 0, error: { message: '=cmd|"x"', status: 500 } } as unknown as Answering;
    const [head, row] = asCsv([{ id: "1", model: "hare" }], new Map([["1", run]])).split("\n");
    expect(head?.split(",").length).toBe(15);
    expect(row).toContain(`"'=cmd|""x"""`);
  });
});

test("commands to copy quote what the shell would take for its own", () => {
  expect(curlJson("v1/rerank", { query: "it's" })).toContain(`"query": "it'\\''s"`);
  expect(curlJson("v1/x", { url: `data:image/png;base64,${"A".repeat(1000)}` }).length).toBeLessThan(300);
  expect(curlForm("v1/audio/transcriptions", [["file", "@a b.wav"]])).toContain(`-F 'file=@a b.wav'`);
});
