import { expect, test } from "vitest";
import { inAll, ofGpus } from "./held";

const share = (id: number, memory_bytes: number | null) => ({ id, name: "GPU", memory_bytes });

test("a run on two GPUs holds what it holds of both, and of RAM", () => {
  const run = { memory_bytes: 5, gpu_memory: [share(0, 20), share(1, 30)] };
  expect([ofGpus(run), inAll(run)]).toEqual([50, 55]);
});

test("what no driver tells is not 0", () => {
  expect(ofGpus({ memory_bytes: 5, gpu_memory: null })).toBeNull();
  expect(ofGpus({ memory_bytes: 5, gpu_memory: [share(0, null)] })).toBeNull();
  expect(inAll({ memory_bytes: 5, gpu_memory: null })).toBe(5);
  expect(inAll({ memory_bytes: null, gpu_memory: [share(0, 7), share(1, null)] })).toBe(7);
  expect(inAll({ memory_bytes: null, gpu_memory: null })).toBeNull();
});
