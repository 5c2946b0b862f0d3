// Which finished requests are shown: the part of the page's address that says so, and what is asked of the server for it.

export interface Filters {
  models: readonly string[];
  /** Statuses (404) and classes of them (5xx). */
  statuses: readonly string[];
  /** A part of the path. */
  path: string;
  /** In a captured request or answer. */
  text: string;
  /** As the clients call them. */
  sessions: readonly string[];
  /** The last so many minutes, hours or days: 15m, 1h, 24h, 7d. */
  range: string;
  /** RFC 3339. */
  start: string;
  end: string;
  minId: string;
  maxId: string;
}

export interface Source {
  get(name: string): string;
  all(name: string): string[];
}

export const RANGES: readonly { id: string; label: string; seconds: number }[] = [
  { id: "15m", label: "Last 15 minutes", seconds: 900 },
  { id: "1h", label: "Last hour", seconds: 3600 },
  { id: "24h", label: "Last 24 hours", seconds: 86_400 },
  { id: "7d", label: "Last 7 days", seconds: 7 * 86_400 },
];

export const CLASSES: readonly { id: string; label: string }[] = [
  { id: "2xx", label: "2xx succeeded" },
  { id: "3xx", label: "3xx redirected" },
  { id: "4xx", label: "4xx refused" },
  { id: "5xx", label: "5xx failed" },
];

export const FAILURES = ["4xx", "5xx"];
export const NAMES = ["model", "status", "path", "text", "session", "range", "start", "end", "min_id", "max_id"] as const;

/** What is no filter at all is left out. */
export function readFilters(query: Source): Filters {
  return {
    models: query.all("model").filter(Boolean),
    statuses: query.all("status").filter((status) => /^[1-5](\d\d|xx)$/.test(status)),
    path: query.get("path"),
    text: query.get("text").trim(),
    sessions: query.all("session").filter(Boolean),
    range: RANGES.some(({ id }) => id === query.get("range")) ? query.get("range") : "",
    start: rfc3339(query.get("start")),
    end: rfc3339(query.get("end")),
    minId: wholeNumber(query.get("min_id")),
    maxId: wholeNumber(query.get("max_id")),
  };
}

/** For the server. `now` in ms: where a range ends. */
export function asked(filters: Filters, now: number): Record<string, string | readonly string[]> {
  const seconds = RANGES.find(({ id }) => id === filters.range)?.seconds;
  return {
    model: filters.models,
    status: filters.statuses,
    path: filters.path,
    text: filters.text,
    session: filters.sessions,
    start: seconds ? seconded(now - seconds * 1000) : filters.start,
    end: seconds ? "" : filters.end,
    min_id: filters.minId,
    max_id: filters.maxId,
  };
}

export interface Chip {
  text: string;
  /** What the address becomes without it. */
  without: Record<string, string | readonly string[] | null>;
}

/** `time` puts an RFC 3339 time into words. */
export function chips(filters: Filters, nameOf: (model: string) => string, time: (at: number) => string): Chip[] {
  const found: Chip[] = [];
  for (const model of filters.models) found.push({ text: nameOf(model), without: { model: filters.models.filter((other) => other !== model) } });
  for (const status of filters.statuses)
    found.push({ text: `Status ${status}`, without: { status: filters.statuses.filter((other) => other !== status) } });
  if (filters.path) found.push({ text: `Path has “${filters.path}”`, without: { path: null } });
  if (filters.text) found.push({ text: `Says “${filters.text}”`, without: { text: null } });
  for (const session of filters.sessions)
    found.push({ text: `Session ${session}`, without: { session: filters.sessions.filter((other) => other !== session) } });
  const range = RANGES.find(({ id }) => id === filters.range);
  if (range) found.push({ text: range.label, without: { range: null } });
  else {
    if (filters.start) found.push({ text: `From ${time(Date.parse(filters.start))}`, without: { start: null } });
    if (filters.end) found.push({ text: `Until ${time(Date.parse(filters.end))}`, without: { end: null } });
  }
  if (filters.minId) found.push({ text: `Id from ${filters.minId}`, without: { min_id: null } });
  if (filters.maxId) found.push({ text: `Id to ${filters.maxId}`, without: { max_id: null } });
  return found;
}

/** The id of the request that the address opens; null where it opens none. */
export function captureOf(text: string): number | null {
  return wholeNumber(text) ? Number(text) : null;
}

/** ms since the epoch as the server reads times: in whole seconds. */
export function seconded(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** What a field of type datetime-local holds, in this browser's zone; "" where it is no time. */
export function toLocal(time: string): string {
  const at = Date.parse(time);
  if (Number.isNaN(at)) return "";
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export function fromLocal(field: string): string {
  const at = field ? new Date(field).getTime() : Number.NaN;
  return Number.isNaN(at) ? "" : seconded(at);
}

function rfc3339(text: string): string {
  const at = Date.parse(text);
  return text && !Number.isNaN(at) ? seconded(at) : "";
}

function wholeNumber(text: string): string {
  return /^[1-9]\d{0,15}$/.test(text) ? text : "";
}
