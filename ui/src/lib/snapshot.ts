// What the server knew when it sent the start page: it stands in the page, so that the first view waits for nothing. All of it
// is replaced by what the stream and the calls tell from then on.
import type { ModelDetailsList, TransitionPage } from "./api.gen";

export interface Snapshot {
  /** As the stream tells them, but for the logs; their data is not wrapped twice. */
  events: readonly { type: string; data: unknown }[];
  transitions: TransitionPage;
  details: ModelDetailsList;
  /** As /api/performance tells it; null: nothing is measured. */
  performance: unknown;
}

const FRESH = 5000; // ms since the page began to load

function read(): Snapshot | null {
  const element = document.getElementById("snapshot");
  element?.remove();
  try {
    return element ? (JSON.parse(element.textContent ?? "") as Snapshot) : null;
  } catch {
    return null; // it only made the beginning faster
  }
}

/** null where the server sent none. */
export const snapshot = read();

/** Whether it is as good as an answer that comes now. */
export function isFresh(): boolean {
  return performance.now() < FRESH;
}
