// The columns of finished requests, and what each says as text (for the page and for Markdown).
import type { ActivityRow } from "../../lib/api.gen";
import { UNKNOWN, count, decimal, duration, exact, percent } from "../../lib/format";
import type { ColumnChoice } from "./columns";
import { span } from "./timing";

export interface HistoryColumn extends ColumnChoice {
  /** What the server sorts by. */
  sort?: string;
  align?: "right";
  /** Left out on phones. */
  wide?: boolean;
  text: (row: ActivityRow) => string;
}

const tokens = (value: number): string => (value < 0 ? UNKNOWN : count(value));
const speed = (value: number): string => (value <= 0 ? UNKNOWN : decimal(value, value < 100 ? 1 : 0));

export const HISTORY: readonly HistoryColumn[] = [
  { id: "id", label: "ID", sort: "id", align: "right", wide: true, text: (row) => String(row.id) },
  { id: "time", label: "Time", sort: "time", text: (row) => exact(span(row).to) },
  { id: "model", label: "Model", sort: "model", text: (row) => row.model },
  { id: "path", label: "Path", sort: "req_path", wide: true, text: (row) => row.req_path },
  { id: "status", label: "Status", sort: "resp_status_code", text: (row) => `${row.resp_status_code}${row.error_msg ? ` ${row.error_msg}` : ""}` },
  { id: "type", label: "Type", sort: "resp_content_type", wide: true, isOff: true, text: (row) => row.resp_content_type },
  { id: "cached", label: "Cached", sort: "cached", align: "right", wide: true, isOff: true, text: (row) => tokens(row.tokens.cache_tokens) },
  { id: "prompt", label: "Prompt", sort: "prompt", align: "right", wide: true, text: prompt },
  { id: "generated", label: "Generated", sort: "generated", align: "right", wide: true, text: (row) => tokens(row.tokens.output_tokens) },
  { id: "drafted", label: "Drafted", sort: "drafted", align: "right", wide: true, isOff: true, text: drafted },
  { id: "prefill", label: "Prefill t/s", sort: "prompt_speed", align: "right", wide: true, text: (row) => speed(row.tokens.prompt_per_second) },
  { id: "decode", label: "Decode t/s", sort: "gen_speed", align: "right", wide: true, text: (row) => speed(row.tokens.tokens_per_second) },
  { id: "duration", label: "Duration", sort: "duration", align: "right", text: (row) => duration(row.duration_ms / 1000) },
  { id: "client", label: "Address", wide: true, isOff: true, text: (row) => row.timing?.client || UNKNOWN },
  { id: "session", label: "Session", wide: true, isOff: true, text: (row) => row.timing?.session || UNKNOWN },
  { id: "capture", label: "Capture", wide: true, text: (row) => (row.has_capture ? "yes" : UNKNOWN) },
  { id: "meta", label: "Meta", wide: true, isOff: true, text: meta },
];

/** What a card shows at first, two on each line. */
export const CARD = ["model", "time", "status", "duration", "path", "generated"];
export const CARD_OF_MODEL = ["path", "time", "status", "duration", "generated"];

/** What was read and what came from the cache: "1 + 6 cached". */
export function prompt({ timing, tokens: { input_tokens, cache_tokens } }: ActivityRow): string {
  const whole = timing?.prompt_tokens ?? input_tokens;
  return cache_tokens > 0 && cache_tokens <= whole ? `${count(whole - cache_tokens)} + ${count(cache_tokens)} cached` : tokens(input_tokens);
}

/** How many of the drafted tokens were accepted. */
export function drafted(row: ActivityRow): string {
  const { draft_tokens: all, draft_acc_tokens: accepted } = row.tokens;
  return all > 0 && accepted >= 0 ? percent((accepted / all) * 100) : UNKNOWN;
}

function meta(row: ActivityRow): string {
  const all = Object.entries(row.metadata ?? {}).map(([name, value]) => `${name}: ${value}`);
  return all.join(", ") || UNKNOWN;
}
