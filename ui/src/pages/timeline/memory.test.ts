import { expect, test } from "vitest";
import type { GpuStats, SystemStats } from "../../lib/api.gen";
import { curves, paths, usedAt } from "./memory";

const stretch = { from: 100, to: 200 };
const stamp = (at: number): string => new Date(at * 1000).toISOString();
const ram = (at: number, used: number): SystemStats => ({
  ...{ timestamp: stamp(at), cpu_util_per_core: [], mem_total_mb: 1000, mem_used_mb: used, mem_free_mb: 0, swap_total_mb: 0, swap_used_mb: 0 },
  ...{ load_avg_1: 0, load_avg_5: 0, load_avg_15: 0, net_io: null },
});
const gpu = (at: number, id: number, used: number, unknown: string[] = []): GpuStats => ({
  ...{ timestamp: stamp(at), id, name: "Card", uuid: "", source: "nvml", temp_c: 0, vram_temp_c: 0, gpu_util_pct: 0, mem_util_pct: 0 },
  ...{ mem_used_mb: used, mem_total_mb: 2000, fan_speed_pct: 0, power_draw_w: 0, unknown },
});

test("every GPU has a curve, and the machine's memory stands in where there is none", () => {
  const system = [ram(110, 500)];
  const both = curves({ system, gpus: [gpu(110, 0, 200), gpu(110, 1, 400), gpu(50, 1, 9)], shares: [] }, stretch, 5);
  expect(both.map(({ label, total, points }) => [label, total, points])).toEqual([
    ["GPU 0", 2000, [{ at: 110, used: 200 }]],
    ["GPU 1", 2000, [{ at: 110, used: 400 }]],
  ]);
  expect(curves({ system, gpus: [gpu(110, 0, 1)], shares: [] }, stretch, 5)[0]?.label).toBe("GPU memory");
  expect(curves({ system, gpus: [], shares: [] }, stretch, 5)[0]).toMatchObject({ label: "RAM", total: 1000 });
});

test("there is no curve where nothing was sampled, or nothing is told", () => {
  expect(curves({ system: [ram(50, 500), ram(250, 500)], gpus: [], shares: [] }, stretch, 5)).toEqual([]);
  expect(curves({ system: [], gpus: [gpu(110, 0, 0, ["mem_used_mb"])], shares: [] }, stretch, 5)).toEqual([]);
});

test("the line breaks where samples are missing, and each part has its area", () => {
  const [curve] = curves({ system: [ram(110, 500), ram(115, 250), ram(180, 1000)], gpus: [], shares: [] }, stretch, 5);
  expect(paths(curve!, stretch)).toEqual({
    line: "M10.00 50.00L15.00 75.00M80.00 0.00",
    area: "M10.00 50.00L15.00 75.00L15.00 100L10.00 100ZM80.00 0.00L80.00 100L80.00 100Z",
  });
  expect([105, 117, 150, 190].map((at) => usedAt(curve!, at))).toEqual([null, 250, null, 1000]);
});
