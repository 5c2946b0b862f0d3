// A page of finished requests as Markdown: what it sums up to, then its rows, in the columns that are shown.
import type { ActivityRow } from "../../lib/api.gen";
import { count, decimal, duration, exact, percent } from "../../lib/format";
import type { HistoryColumn } from "./history_columns";
import { span } from "./timing";

export function markdown(rows: readonly ActivityRow[], columns: readonly HistoryColumn[]): string {
  if (!rows.length) return "No requests.\n";
  const shown = columns.filter(({ id }) => id !== "capture");
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    ...summary(rows).map((text) => `- ${text}`),
    "",
    line(shown.map(({ label }) => label)),
    line(shown.map(({ align }) => (align ? "--:" : "---"))),
    ...rows.map((row) => line(shown.map((column) => escaped(column.text(row))))),
    "",
  ].join("\n");
}

function summary(rows: readonly ActivityRow[]): string[] {
  const times = rows.map(span);
  const sum = (of: (row: ActivityRow) => number): number => rows.reduce((total, row) => total + Math.max(0, of(row)), 0);
  const [drafted, accepted] = [sum((row) => row.tokens.draft_tokens), sum((row) => row.tokens.draft_acc_tokens)];
  const found = [
    `${rows.length} requests, ${exact(Math.min(...times.map(({ from }) => from)))} to ${exact(Math.max(...times.map(({ to }) => to)))}`,
    `${duration(sum((row) => row.duration_ms) / 1000)} in all`,
    `${count(sum((row) => row.tokens.input_tokens))} prompt tokens, ${count(sum((row) => row.tokens.cache_tokens))} cached, ` +
      `${count(sum((row) => row.tokens.output_tokens))} generated`,
  ];
  const prefill = mean(rows, (row) => row.tokens.input_tokens, (row) => row.tokens.prompt_per_second);
  const decode = mean(rows, (row) => row.tokens.output_tokens, (row) => row.tokens.tokens_per_second);
  if (prefill !== null) found.push(`prefill ${decimal(prefill, 1)} t/s`);
  if (decode !== null) found.push(`decode ${decimal(decode, 1)} t/s`);
  if (drafted) found.push(`${percent((accepted / drafted) * 100)} of ${count(drafted)} drafted tokens accepted`);
  return found;
}

/** All tokens by all the time that they took, of rows whose speed is known. */
export function mean(rows: readonly ActivityRow[], tokens: (row: ActivityRow) => number, speed: (row: ActivityRow) => number): number | null {
  let [all, seconds] = [0, 0];
  for (const row of rows) {
    if (!(tokens(row) > 0 && speed(row) > 0)) continue;
    all += tokens(row);
    seconds += tokens(row) / speed(row);
  }
  return seconds > 0 ? all / seconds : null;
}

function escaped(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\|]/g, "\\$&");
}
