import { describe, expect, it } from "vitest";
import type { GpuStats, ModelDetails, SystemStats } from "../../lib/api.gen";
import { EMPTY, type PerformanceAnswer, gpuLines, gpusOf, interfacesOf, lines, merged, modelLines, newestOfAll, rate, sharesOf, since } from "./samples";

const stamp = (seconds: number): string => new Date(seconds * 1000).toISOString();

function system(at: number, more: Partial<SystemStats> = {}): SystemStats {
  const figures = { mem_total_mb: 1000, mem_used_mb: 400, mem_free_mb: 500, swap_total_mb: 0, swap_used_mb: 0, load_avg_1: 1, load_avg_5: 1, load_avg_15: 1 };
  return { timestamp: stamp(at), cpu_util_per_core: [10, 30], net_io: null, ...figures, ...more };
}

function gpu(at: number, more: Partial<GpuStats> = {}): GpuStats {
  const figures = { temp_c: 40, vram_temp_c: 0, gpu_util_pct: 50, mem_util_pct: 25, mem_used_mb: 200, mem_total_mb: 800, fan_speed_pct: 0, power_draw_w: 90 };
  return { timestamp: stamp(at), id: 0, name: "GPU", uuid: "u", source: "nvml", ...figures, ...more };
}

function answer(system: SystemStats[] | null, gpus: GpuStats[] | null = null): PerformanceAnswer {
  return { enabled: true, every: 5, sys_stats: system, gpu_stats: gpus, sources: [] };
}

describe("merged", () => {
  it("adds what is new, once", () => {
    const first = merged(EMPTY, answer([system(100), system(105)], [gpu(101)]));
    const second = merged(first, answer([system(105), system(110)], []));
    expect(second.system.map((sample) => sample.timestamp)).toEqual([100, 105, 110].map(stamp));
    expect(second.gpus).toHaveLength(1);
  });

  it("forgets what is older than an hour", () => {
    const known = merged(EMPTY, answer([system(100), system(200)], [gpu(100)]));
    const { system: kept, gpus } = merged(known, answer([system(3705)]));
    expect(kept.map((sample) => sample.timestamp)).toEqual([200, 3705].map(stamp));
    expect(gpus).toEqual([]);
  });

  it("takes no samples yet for none", () => {
    expect(merged(EMPTY, answer(null, null))).toEqual(EMPTY);
  });
});

it("asks for what is newer than the older of the two newest samples", () => {
  expect(newestOfAll(EMPTY)).toBe("");
  expect(newestOfAll({ system: [system(110)], gpus: [gpu(105)], shares: [] })).toBe(stamp(105));
});

describe("lines", () => {
  it("leave a gap where a sample is missing, and do not bridge it", () => {
    const found = lines([system(0), system(5), system(60)], 5, [(sample) => sample.mem_used_mb]);
    expect(found).toEqual({ times: [0, 5, 10, 60], values: [[400, 400, null, 400]] });
  });

  it("take what is unknown for a gap and not for 0", () => {
    const samples = [gpu(0), gpu(5, { power_draw_w: 0, unknown: ["power_draw_w"] }), gpu(10, { power_draw_w: 0 })];
    expect(gpuLines(samples, gpusOf(samples), 5, "power_draw_w").values).toEqual([[90, null, 0]]);
  });

  it("are one per GPU, by number, with a gap where one is away", () => {
    const samples = [gpu(0, { id: 1, temp_c: 61 }), gpu(0, { id: 0, temp_c: 60 }), gpu(5, { id: 1, temp_c: 62 })];
    expect(gpuLines(samples, gpusOf(samples), 5, "temp_c")).toEqual({ times: [0, 5], values: [[60, null], [61, 62]] });
  });

  it("begin one sample before the window, so that they come in from its edge", () => {
    expect(since({ times: [0, 5, 10, 15], values: [[1, 2, 3, 4]] }, 7)).toEqual({ times: [5, 10, 15], values: [[2, 3, 4]] });
    expect(since({ times: [0, 5], values: [[1, 2]] }, 70)).toEqual({ times: [5], values: [[2]] });
  });
});

describe("the network", () => {
  const moved = (at: number, received: number): SystemStats => system(at, { net_io: [{ name: "eth0", bytes_recv: received, bytes_sent: 1 }, { name: "idle0", bytes_recv: 0, bytes_sent: 0 }] });

  it("is a rate between two samples", () => {
    expect(rate(moved(10, 6000), moved(5, 1000), "eth0", "bytes_recv")).toBe(1000);
  });

  it("is not known for the first sample, nor when the counter began anew", () => {
    expect(rate(moved(5, 1000), undefined, "eth0", "bytes_recv")).toBeNull();
    expect(rate(moved(10, 5), moved(5, 1000), "eth0", "bytes_recv")).toBeNull();
  });

  it("leaves out interfaces over which nothing ever went", () => {
    expect(interfacesOf([moved(0, 5)])).toEqual(["eth0"]);
  });
});

describe("memory by model", () => {
  const model = (id: string, shares: { id: number; name: string; memory_bytes: number | null }[] | null): ModelDetails =>
    ({ id, run: { gpu_memory: shares } }) as unknown as ModelDetails;
  const share = (mib: number | null) => [{ id: 0, name: "GPU", memory_bytes: mib === null ? null : mib * 1024 ** 2 }];

  it("is not told where no source tells of processes", () => {
    expect(sharesOf([model("a", null)], 0)).toBeNull();
    expect(sharesOf([], 0)).toBeNull();
  });

  it("is what was told next to a sample, and unknown where nothing was", () => {
    const shares = [sharesOf([model("a", share(50)), model("b", share(100))], 100_400)!, sharesOf([model("b", share(110))], 105_400)!];
    const found = modelLines([gpu(50), gpu(100), gpu(105)], shares, 0, 5);
    expect(found.models).toEqual(["a", "b"]);
    expect(found.times).toEqual([50, 55, 100, 105]);
    expect(found.values).toEqual([
      [null, null, 50, 0],
      [null, null, 100, 110],
      [200, null, 200, 200],
    ]);
  });
});
