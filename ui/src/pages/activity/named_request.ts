// Finds the request that a change of a model names: by its number among the requests under way, which every process counts from 1,
// and by the time of the change, when it was under way.
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

/** Among the finished ones; null where there is none. Raises ApiError. */
export async function finished(number: string, at: number): Promise<ActivityRow | null> {
  const { data } = await get<ActivityPage>(`api/metrics/activity${query({ request: number, limit: 100 })}`);
  return named(data, at);
}

/** `rows`: those with the number, of all processes, the newest first. */
export function named(rows: readonly ActivityRow[], at: number): ActivityRow | null {
  return rows.find((row) => span(row).from <= at + SLACK && span(row).to >= at - LATER) ?? null;
}
