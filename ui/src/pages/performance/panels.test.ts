import { describe, expect, it } from "vitest";
import type { Change, GpuStats, SystemStats } from "../../lib/api.gen";
import { joined, markersOf, nearest } from "./markers";
import { coresOf, gpuPanels, systemPanels } from "./panels";
import { drawnValues, roundTop } from "./stacking";

const stamp = (seconds: number): string => new Date(seconds * 1000).toISOString();
const gpu = (at: number, id: number, more: Partial<GpuStats> = {}): GpuStats => ({
  ...{ timestamp: stamp(at), id, name: "Card", uuid: "", source: "nvml", temp_c: 50, vram_temp_c: 0, gpu_util_pct: 10, mem_util_pct: 50 },
  ...{ mem_used_mb: 4096, mem_total_mb: 8192, fan_speed_pct: 0, power_draw_w: 0, unknown: ["vram_temp_c", "power_draw_w"], ...more },
});
const system: SystemStats = {
  ...{ timestamp: stamp(0), cpu_util_per_core: [20, 80], mem_total_mb: 1024, mem_used_mb: 512, mem_free_mb: 512, swap_total_mb: 0, swap_used_mb: 0 },
  ...{ load_avg_1: 1, load_avg_5: 2, load_avg_15: 3, net_io: null },
};

describe("GPU panels", () => {
  it("show only what some GPU tells", () => {
    const found = gpuPanels({ system: [], gpus: [gpu(0, 0)], shares: [] }, 5, String);
    expect(found.map((panel) => panel.id)).toEqual(["gpu-use", "gpu-memory", "gpu-temperature"]);
    expect(found[1]).toMatchObject({ top: 8192, note: "of 8.0 GiB", series: [{ label: "Card" }] });
  });

  it("stack the models, everything else on top, up to what is used", () => {
    const shares = [{ at: 0, byGpu: new Map([[0, new Map([["hare", 1024], ["owl", 512]])]]) }];
    const panel = gpuPanels({ system: [], gpus: [gpu(0, 0)], shares }, 5, (id) => id.toUpperCase()).find((each) => each.id === "gpu-0-models")!;
    expect(panel.series.map((series) => series.label)).toEqual(["HARE", "OWL", "Everything else", "Used"]);
    expect(panel.lines.values.flat()).toEqual([1024, 512, 2560, 4096]);
    expect(drawnValues(panel).flat()).toEqual([1024, 1536, 4096, 4096]);
  });

  it("tell equal cards apart by their numbers", () => {
    const [use] = gpuPanels({ system: [], gpus: [gpu(0, 0), gpu(0, 1)], shares: [] }, 5, String);
    expect(use?.series.map((series) => series.label)).toEqual(["GPU 0 · Card", "GPU 1 · Card"]);
  });
});

describe("system panels", () => {
  it("tell the average, the busiest and the idlest core", () => {
    const [cpu] = systemPanels([system], 5);
    expect(cpu?.lines.values.flat()).toEqual([50, 80, 20]);
    expect(coresOf([system])).toEqual([[20], [80]]);
  });

  it("leave out load and network where the system has none", () => {
    const unknown = { ...system, unknown: ["load_avg_1", "load_avg_5", "load_avg_15"] };
    expect(systemPanels([unknown], 5).map((panel) => panel.id)).toEqual(["cpu", "memory"]);
  });
});

describe("markers", () => {
  const change = (id: number, state: string, more: Partial<Change> = {}): Change => ({ id, at: id * 10, model: "hare", run: 1, state, cause: "", ...more });

  it("are what alters the memory: loaded, unloaded, failed", () => {
    const found = markersOf([change(4, "stopped", { reason: "crashed" }), change(3, "stopped", { for_model: "owl" }), change(2, "ready"), change(1, "starting")], String);
    expect(found).toEqual([
      { at: 20, kind: "loaded", text: "hare is ready" },
      { at: 30, kind: "unloaded", text: "hare was unloaded for owl" },
      { at: 40, kind: "failed", text: "hare failed" },
    ]);
    expect(nearest(found, 34, 5)?.at).toBe(30);
    expect(nearest(found, 34, 3)).toBeNull();
  });

  it("come from the stream and from the server's list, each once", () => {
    expect(joined([change(3, "ready"), change(2, "starting")], [change(2, "starting"), change(1, "ready")]).map((each) => each.id)).toEqual([3, 2, 1]);
  });
});

it("rounds the top of an axis up", () => {
  expect([0, 3, 91, 140].map((largest) => roundTop(largest, false))).toEqual([1, 5, 200, 200]);
  expect(roundTop(900, true)).toBe(1024);
});
