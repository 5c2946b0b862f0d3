// What a line of a log is: how grave, and whether this page itself caused it; and which lines are wanted.

export const LEVELS = ["error", "warn", "info", "debug", "other"] as const;
export type Level = (typeof LEVELS)[number];

const NAMES: Record<string, Level> = {
  TRACE: "debug", DEBUG: "debug", INFO: "info", NOTICE: "info", WARN: "warn", WARNING: "warn", ERROR: "error", ERR: "error", FATAL: "error", CRITICAL: "error", PANIC: "error",
};
const TAGGED = /^<[^<>\s]{1,200}> /; // the model whose server wrote it
const TAG = /(?:^|[\s[(|<])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|CRITICAL|PANIC)(?=[\s\]):|>]|$)/;
const GRAVE = /\b(?:error|exception|traceback|panic|fatal)\b/i;
const DOUBTFUL = /\bwarn(?:ing)?\b/i;
const OWN = /Request \S+ "GET \/(?:ui|api|logs|favicon\.ico)(?=[/? ])[^"]*" \d+ \d+ "Mozilla\//;

/** `before`: of the line before, which indented lines go on. */
export function levelOf(whole: string, before: Level = "other"): Level {
  const line = whole.replace(TAGGED, "");
  const tag = TAG.exec(line.slice(0, 80))?.[1];
  if (tag) return NAMES[tag] ?? "other";
  if (/^\s/.test(line) && line.trim()) return before;
  if (GRAVE.test(line)) return "error";
  return DOUBTFUL.test(line) ? "warn" : "other";
}

/** Asked for by a browser that shows this page: it says nothing of anybody's work. */
export function isOwn(line: string): boolean {
  return line.includes('"GET /') && OWN.test(line);
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
