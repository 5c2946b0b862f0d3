import { expect, test } from "vitest";
import type { ModelMemory, ModelRun } from "../../lib/api.gen";
import { fits } from "./fits";

const MIB = 1024 * 1024;
const system = { timestamp: "", mem_total_mb: 1000, mem_used_mb: 900 };
const gpu = (id: number, used: number, total = 100) => ({ timestamp: "", id, name: "H100", mem_total_mb: total, mem_used_mb: used });
const memory = (ram: number, ...onGpus: (number | null)[]): ModelMemory => ({
  run: 1, peak_bytes: ram * MIB, gpu_peaks: onGpus.map((mb, id) => ({ id, name: "H100", memory_bytes: mb === null ? null : mb * MIB })), samples: [],
});
const leaving = (ram: number, onGpu: number): ModelRun => ({
  id: 2, pid: 1, address: null, uptime: 1, idle: null, ttl_left: null, memory_bytes: ram * MIB, gpu_memory: [{ id: 0, name: "H100", memory_bytes: onGpu * MIB }],
});

test("what is free is enough, or it is not", () => {
  expect(fits(memory(100), system, [], [])).toEqual([{ device: "RAM", needs: 100 * MIB, free: 100 * MIB, fits: true }]);
  expect(fits(memory(101), system, [], [])[0]?.fits).toBe(false);
});

test("what the leaving give back counts, on each device by itself", () => {
  const found = fits(memory(150, 60, 60), system, [gpu(0, 90), gpu(1, 50)], [leaving(60, 55)]);
  expect(found.map(({ device, fits }) => [device, fits])).toEqual([["RAM", true], ["GPU 0: H100", true], ["GPU 1: H100", false]]);
});

test("no more can be free than there is", () => expect(fits(memory(1), system, [], [leaving(5000, 0)])[0]?.free).toBe(1000 * MIB));

test("what is not known is not judged", () => {
  expect(fits(memory(1, null, 5), null, [gpu(0, 1), gpu(1, 1, 0)], [])).toEqual([]);
});
