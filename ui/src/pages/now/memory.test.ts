import { expect, test } from "vitest";
import { type GpuSample, bar, newest } from "./memory";

const model = (id: string, mib: number) => ({ id, name: id, bytes: mib * 1024 * 1024, series: 3, href: "" });

test("a bar has the models, the others and what is free", () => {
  const shown = bar("RAM", 3072, 4096, [model("a", 1024), model("b", 512), model("unknown", 0)]);
  expect(shown.segments.map(({ label, text }) => [label, text])).toEqual([
    ["a", "1.0 GiB"],
    ["b", "512 MiB"],
    ["Other", "1.5 GiB"],
  ]);
  expect(shown.segments.map(({ series }) => series)).toEqual([3, 3, "other"]);
  expect(shown.free).toBe("1.0 GiB free");
});

test("shared pages may make models larger than what is used", () => {
  const shown = bar("RAM", 100, 1000, [model("a", 200)]);
  expect(shown.segments).toHaveLength(1);
  expect(shown.free).toBe("800 MiB free");
});

test("of each GPU the newest sample counts", () => {
  const sample = (id: number, used: number) => ({ id, mem_used_mb: used }) as GpuSample;
  expect(newest([sample(1, 1), sample(0, 2), sample(1, 3)]).map(({ id, mem_used_mb }) => [id, mem_used_mb])).toEqual([[0, 2], [1, 3]]);
});
