// Numbers, sizes and times as text. What is not known is "–", never 0.

export const UNKNOWN = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
/** How hours are counted; `system`: as the browser's language does. */
export const HOURS = ["24", "12", "system"] as const;
export type Hours = (typeof HOURS)[number];
const CYCLES = { "24": "h23", "12": "h12", system: undefined } as const;

let times = timesOf("24");
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

type Maybe = number | null | undefined;

function timesOf(hours: Hours): Record<"toSecond" | "toMinute" | "exact", Intl.DateTimeFormat> {
  const hourCycle = CYCLES[hours];
  return {
    toSecond: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle }),
    toMinute: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle }),
    exact: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle }),
  };
}

/** Of every time that is written from now on. */
export function countHours(hours: Hours): void {
  times = timesOf(hours);
}

function known(value: Maybe): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** 12345 -> "12,345". */
export function count(value: Maybe): string {
  return known(value) ? whole.format(value) : UNKNOWN;
}

export function decimal(value: Maybe, digits = 1): string {
  return known(value) ? value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }) : UNKNOWN;
}

export function percent(value: Maybe, digits = 0): string {
  return known(value) ? `${decimal(value, digits)} %` : UNKNOWN;
}

/** Tokens per second: 4.237 -> "4.2", 41.94 -> "41.9", 137.2 -> "137". An estimate has fewer digits: "42". */
export function perSecond(value: Maybe, isEstimate = false): string {
  return decimal(value, known(value) && value < (isEstimate ? 9.95 : 99.95) ? 1 : 0);
}

/** "1 request", "2 requests". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function bytes(value: Maybe): string {
  if (!known(value)) return UNKNOWN;
  let at = 0;
  for (; value >= 1024 && at < UNITS.length - 1; at += 1) value /= 1024;
  return `${at && value < 100 ? decimal(value, 1) : whole.format(value)} ${UNITS[at]}`;
}

/** Context lengths are powers of two: 32768 -> "32K", 131072 -> "128K", 128000 -> "128,000". */
export function context(tokens: Maybe): string {
  if (!known(tokens)) return UNKNOWN;
  if (tokens >= 1024 * 1024 && tokens % (1024 * 1024) === 0) return `${tokens / 1024 / 1024}M`;
  return tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}K` : whole.format(tokens);
}

/** 0.25 -> "250 ms", 8.2 -> "8.2 s", 75 -> "1 min 15 s", 3700 -> "1 h 1 min". */
export function duration(seconds: Maybe): string {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 0) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${decimal(seconds, 1)} s`;
  return wholeDuration(seconds);
}

/** As `duration`, in whole seconds: for what counts up or down. */
export function wholeDuration(seconds: Maybe): string {
  if (!known(seconds)) return UNKNOWN;
  const total = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(total / 86400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${total % 60} s` : `${total} s`;
}

/** `at` and `now` in ms: "now", "12 s ago", "5 min ago", "3 h ago", then the date. */
export function ago(at: number, now: number): string {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < 3) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : times.exact.format(at);
}

/** "14:03:12", or "02:03:12 PM". */
export function timeOfDay(at: number): string {
  return times.toSecond.format(at);
}

/** "14:03", or "02:03 PM". */
export function minuteOfDay(at: number): string {
  return times.toMinute.format(at);
}

export function exact(at: number): string {
  return times.exact.format(at);
}

/** Of the cause of a failure, without the output of its server that follows. */
export function firstLine(cause: string): string {
  return (cause.split("\n", 1)[0] ?? "").replace(/; its last output:$/, ".");
}

/** The same, but with the last line that the server wrote: mostly what it died of. */
export function inShort(cause: string): string {
  const last = cause.split("\n").slice(1).findLast((line) => line.trim());
  return last === undefined ? firstLine(cause) : `${cause.split("\n", 1)[0] ?? ""} ${last.trim()}`;
}

/** What a load takes, about, in seconds: 0.557 -> "0.6 s". */
export function estimated(seconds: number): string {
  return seconds < 9.95 ? `${decimal(Math.max(0.1, seconds), 1)} s` : wholeDuration(seconds);
}

/** Names as people sort them: case-insensitive, "model-9" before "model-10". */
export const natural = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
