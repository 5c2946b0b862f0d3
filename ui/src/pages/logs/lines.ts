// What a line of a log is: how grave, about which model, when it came, and whether it tells of nobody's work; and which lines are
// wanted.
import type { Chunk } from "../../lib/log_tail";

export const LEVELS = ["error", "warn", "info", "debug", "other"] as const;
export type Level = (typeof LEVELS)[number];

const NAMES: Record<string, Level> = {
  TRACE: "debug", DEBUG: "debug", INFO: "info", NOTICE: "info", WARN: "warn", WARNING: "warn", ERROR: "error", ERR: "error", FATAL: "error", CRITICAL: "error", PANIC: "error",
};
const TAGGED = /^<[^<>\s]{1,200}> /; // the model whose server wrote it
const TAG = /(?:^|[\s[(|<])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|CRITICAL|PANIC)(?=[\s\]):|>]|$)/;
const GRAVE = /\b(?:error|exception|traceback|panic|fatal)\b/i;
const DOUBTFUL = /\bwarn(?:ing)?\b/i;
/** What this page asks for by itself. */
const OWN = /Request \S+ "GET \/(?:ui|api|logs|favicon\.ico|v1\/models)(?=[/? ])[^"]*" \d+ \d+ "Mozilla\//;
/** Somebody asks, again and again, whether it still serves and how: in Swapyard's log, in llama.cpp's, in those of Python's servers. */
const PROBE = /\b(?:GET|HEAD) \/(?:health|healthz|livez|readyz|ping|metrics|props|slots)(?=[/? "]|$)/;

const ABOUT = /^(?:[^[<]{0,60}\[[A-Z]+\] )?<([^<>]{1,200})> /; // theirs begin with the model; ours may, after their level
const TIME = /\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(Z|[+-]\d\d:?\d\d)?/;

/** A line as it came. `from`: which log it is of, where several are shown as one; null: the only one. */
export interface Entry {
  text: string;
  /** When it came, in ms since the epoch; null: nobody knows. */
  at: number | null;
  from: "proxy" | "upstream" | null;
}

/** The lines of a chunk, with the times that the server tells for them. */
export function entriesOf({ text, times }: Chunk, from: Entry["from"]): Entry[] {
  const { lines, rest } = split(text);
  let next = 0;
  let at: number | null = null;
  return (rest ? [...lines, rest] : lines).map((line, index) => {
    while (next < times.length && (times[next]?.[0] ?? 0) <= index) at = times[next++]?.[1] ?? null;
    return { text: line, at, from };
  });
}

/** Two logs as one, by time; lines of unknown time go where their log has them. */
export function mergedByTime(one: readonly Entry[], other: readonly Entry[]): Entry[] {
  const found: Entry[] = [];
  let next = 0;
  for (const entry of one) {
    while (next < other.length && (other[next]?.at ?? 0) < (entry.at ?? 0)) found.push(other[next++]!);
    found.push(entry);
  }
  return [...found, ...other.slice(next)];
}

/** The id of the model that the line is about, "" for none. */
export function modelOf(line: string): string {
  return ABOUT.exec(line)?.[1] ?? "";
}

/** The time that the line itself tells, in ms since the epoch; where it names no zone, in this browser's. */
export function timeIn(line: string): number | null {
  const found = TIME.exec(line.slice(0, 80));
  if (!found) return null;
  const at = Date.parse(`${found[1]}T${found[2]?.replace(",", ".")}${found[3] ?? ""}`);
  return Number.isNaN(at) ? null : at;
}

/** `before`: of the line before, which indented lines go on. */
export function levelOf(whole: string, before: Level = "other"): Level {
  const line = whole.replace(TAGGED, "");
  const tag = TAG.exec(line.slice(0, 80))?.[1];
  if (tag) return NAMES[tag] ?? "other";
  if (/^\s/.test(line) && line.trim()) return before;
  if (GRAVE.test(line)) return "error";
  return DOUBTFUL.test(line) ? "warn" : "other";
}

/** A probe, or asked for by a browser that shows this page: it says nothing of anybody's work. Who calls it grave is heard. */
export function isNoise(line: string, level: Level = "other"): boolean {
  if (level === "error" || level === "warn") return false;
  return (line.includes('"GET /') && OWN.test(line)) || PROBE.test(line);
}

export interface Expression {
  /** null: everything. */
  regex: RegExp | null;
  /** Why it is none, in words. */
  error: string;
}

/** Case does not count. */
export function compile(text: string): Expression {
  if (!text) return { regex: null, error: "" };
  try {
    return { regex: new RegExp(text, "gi"), error: "" };
  } catch (failed) {
    const why = failed instanceof Error ? failed.message.replace(/^Invalid regular expression: /, "") : "";
    return { regex: null, error: `This is no regular expression: ${why}` };
  }
}

/** Where the expression matches: from, to. Empty matches mark nothing. */
export function ranges(text: string, regex: RegExp): [number, number][] {
  return [...text.matchAll(regex)].flatMap((match): [number, number][] => (match[0] ? [[match.index, match.index + match[0].length]] : []));
}

/** Lines that are whole, and what is left for the next piece. Of a line that rewrites itself, the last state. */
export function split(text: string): { lines: string[]; rest: string } {
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  return { lines: lines.map((line) => line.replace(/\r+$/, "")).map((line) => line.slice(line.lastIndexOf("\r") + 1)), rest };
}
