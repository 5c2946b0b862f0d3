// The machine in words: for the cards of the page, and as plain text for a bug report.
import type { Accelerator, Hardware } from "../../lib/api.gen";
import { bytes } from "../../lib/format";

export type Fact = [label: string, value: string | null];

export interface Part {
  title: string;
  facts: Fact[];
}

export const NOT_DETECTED = "Not detected";

const KINDS: Record<string, string> = { gpu: "GPU", npu: "NPU", native: "no virtualisation", container: "container", virtual_machine: "virtual machine", wsl: "WSL" };
const MEMORY: Record<string, string> = { dedicated: "its own", unified: "shared with the system", shared_system: "part of the system's" };

/** The system, the processor, then each accelerator. */
export function partsOf(hardware: Hardware): Part[] {
  return [systemPart(hardware), cpuPart(hardware), ...hardware.accelerators.map(acceleratorPart)];
}

function systemPart({ operating_system: system, architecture, environment, memory }: Hardware): Part {
  return {
    title: "System",
    facts: [
      ["Operating system", words(system.name ?? system.raw_family ?? other(system.family), system.version)],
      ["Kernel", system.kernel],
      ["Architecture", architecture.name === "other" ? architecture.raw_name : architecture.name],
      ["Runs in", environmentOf(environment)],
      ["Memory", memoryOf(memory)],
    ],
  };
}

/** By the total that Now and Performance count from, and what it is a part of. */
function memoryOf({ capacity_bytes: built, usable_bytes: usable = built }: Hardware["memory"]): string {
  if (built < usable) return `${bytes(usable)}, of which this container may use ${bytes(built)}`;
  return bytes(usable) === bytes(built) ? bytes(usable) : `${bytes(usable)} usable of ${bytes(built)}`;
}

function environmentOf({ kind, name, raw_kind }: Hardware["environment"]): string | null {
  const known = raw_kind ?? other(KINDS[kind] ?? kind);
  return name && known && name !== known ? `${name} (${known})` : (name ?? known);
}

function cpuPart({ cpu }: Hardware): Part {
  return {
    title: "Processor",
    facts: [
      ["Model", cpu.model],
      ["Vendor", cpu.vendor],
      ["Sockets", number(cpu.socket_count)],
      ["Cores", number(cpu.physical_core_count)],
      ["Threads", number(cpu.logical_thread_count)],
    ],
  };
}

function acceleratorPart(found: Accelerator): Part {
  const kind = found.raw_kind ?? KINDS[found.kind] ?? found.kind;
  const size = found.memory.capacity_bytes;
  const whose = MEMORY[found.memory.kind];
  return {
    title: `${kind} ${found.index}${found.model ? ` · ${found.model}` : ""}`,
    facts: [
      ["Vendor", found.vendor],
      ["Architecture", found.architecture],
      ["Memory", size === null ? (whose ? `of unknown size, ${whose}` : null) : `${bytes(size)}${whose ? `, ${whose}` : ""}`],
      ["Driver", words(found.driver?.name ?? null, found.driver?.version ?? null)],
      ["Power limit", found.power_limit_watts === null ? null : `${found.power_limit_watts} W`],
    ],
  };
}

/** All of it as plain text. */
export function textOf(hardware: Hardware): string {
  const parts = partsOf(hardware).map(({ title, facts }) => [title, ...facts.map(([label, value]) => `  ${`${label}:`.padEnd(18)} ${value ?? NOT_DETECTED.toLowerCase()}`)].join("\n"));
  if (!hardware.accelerators.length) parts.push("Accelerators\n  none detected");
  const { name, version } = hardware.capture.detector;
  return [...parts, `Detected by ${name} ${version} at ${hardware.captured_at}`].join("\n\n") + "\n";
}

function words(...parts: (string | null)[]): string | null {
  return parts.filter(Boolean).join(" ") || null;
}

function number(value: number | null): string | null {
  return value === null ? null : String(value);
}

/** What only says that nobody knows. */
function other(kind: string): string | null {
  return kind === "other" || kind === "unknown" ? null : kind;
}
