import { expect, it } from "vitest";
import type { Hardware } from "../../lib/api.gen";
import { partsOf, textOf } from "./facts";

const machine: Hardware = {
  schema_version: 1,
  captured_at: "2026-01-31T12:00:00Z",
  capture: { scope: "inference_host", method: "detected", detector: { name: "swapyard", version: "1.2" } },
  architecture: { name: "x86_64", raw_name: "amd64" },
  operating_system: { family: "linux", name: "Debian GNU/Linux", version: "13", kernel: null },
  environment: { kind: "container", name: "Docker", version: null },
  cpu: { vendor: "AMD", model: "EPYC", socket_count: 2, physical_core_count: 64, logical_thread_count: 128 },
  memory: { capacity_bytes: 64 * 1024 ** 3 },
  accelerators: [
    {
      ...{ index: 0, kind: "gpu", vendor: "NVIDIA", model: "H100", architecture: "Hopper", power_limit_watts: 700 },
      ...{ memory: { kind: "dedicated", capacity_bytes: 80 * 1024 ** 3 }, driver: { name: "NVIDIA", version: "570" } },
    },
    { index: 1, kind: "npu", vendor: null, model: null, architecture: null, power_limit_watts: null, memory: { kind: "unknown", capacity_bytes: null }, driver: null },
  ],
};

it("tells every part, and null for what is not known", () => {
  const [system, cpu, gpu, npu] = partsOf(machine);
  expect(Object.fromEntries(system!.facts)).toEqual({ "Operating system": "Debian GNU/Linux 13", Kernel: null, Architecture: "x86_64", "Runs in": "Docker (container)", Memory: "64.0 GiB" });
  expect(cpu!.facts.map(([, value]) => value)).toEqual(["EPYC", "AMD", "2", "64", "128"]);
  expect(gpu).toEqual({ title: "GPU 0 · H100", facts: [["Vendor", "NVIDIA"], ["Architecture", "Hopper"], ["Memory", "80.0 GiB, its own"], ["Driver", "NVIDIA 570"], ["Power limit", "700 W"]] });
  expect(npu!.title).toBe("NPU 1");
  expect(npu!.facts.every(([, value]) => value === null)).toBe(true);
});

it("counts memory as the other pages do, and says what of it is not to be had", () => {
  const memory = (built: number, usable: number): unknown => Object.fromEntries(partsOf({ ...machine, memory: { capacity_bytes: built * 2 ** 30, usable_bytes: usable * 2 ** 30 } })[0]!.facts)["Memory"];
  expect(memory(24, 23.5)).toBe("23.5 GiB usable of 24.0 GiB");
  expect(memory(24, 23.99)).toBe("24.0 GiB");
  expect(memory(16, 24)).toBe("24.0 GiB, of which this container may use 16.0 GiB");
});

it("is text for a bug report", () => {
  const text = textOf(machine);
  expect(text).toContain("System\n  Operating system:  Debian GNU/Linux 13\n  Kernel:            not detected\n");
  expect(text).toContain("GPU 0 · H100\n  Vendor:            NVIDIA\n");
  expect(text).toMatch(/Detected by swapyard 1\.2 at 2026-01-31T12:00:00Z\n$/);
  expect(textOf({ ...machine, accelerators: [] })).toContain("Accelerators\n  none detected");
});

it("does not take a word for nothing for a name", () => {
  const [system] = partsOf({ ...machine, environment: { kind: "unknown", name: null, version: null }, operating_system: { family: "other", raw_family: "haiku", name: null, version: null, kernel: null } });
  expect(Object.fromEntries(system!.facts)).toMatchObject({ "Operating system": "haiku", "Runs in": null });
});
