// Finds the request that a change of a model names: by its number among the requests under way, which every process counts from 1,
// by the time of the change, when it was under way, and by the model that it asked for. Not every request gets a row: without its
// model, that of a process before could be taken for it.
import type { ActivityPage, ActivityRow } from "../../lib/api.gen";
import { get, query } from "../../lib/api";
import type { Inflight } from "../../lib/inflight";
import { span } from "./timing";

const SLACK = 1000; // ms by which the two clocks may differ
const LATER = 600_000; // ms: a client may leave before what was done for it is over

/** Among those under way. `at`: of the change, ms since the epoch. */
export function underWay(number: string, at: number, requests: readonly Inflight[]): Inflight | null {
  return requests.find(({ id, timestamp }) => id === number && Date.parse(timestamp) <= at + SLACK) ?? null;
}

/** Among the finished ones; null where there is none. Raises ApiError. `model`: "" where it is not known. */
export async function finished(number: string, at: number, model: string): Promise<ActivityRow | null> {
  const { data } = await get<ActivityPage>(`api/metrics/activity${query({ request: number, limit: 100 })}`);
  return named(data, at, model);
}

/** `rows`: those with the number, of all processes, the newest first. */
export function named(rows: readonly ActivityRow[], at: number, model: string): ActivityRow | null {
  return rows.find((row) => (!model || row.model === model) && span(row).from <= at + SLACK && span(row).to >= at - LATER) ?? null;
}
