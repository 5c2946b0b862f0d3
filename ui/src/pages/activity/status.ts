// How a finished request ended, in a word, with its icon and colour.
import type { ActivityRow } from "../../lib/api.gen";
import type { IconName } from "../../lib/icons";
import type { Tone } from "../../lib/states";

export interface Ending {
  text: string;
  icon: IconName;
  tone: Tone;
}

/** A status of 200 says nothing of what came after it: the outcome and an error in the answer do. */
export function ending(row: ActivityRow): Ending {
  const status = row.resp_status_code;
  if (row.timing?.outcome === "cancelled") return { text: "Cancelled", icon: "stopped", tone: "idle" };
  if (row.timing?.outcome === "client_left" || status === 499) return { text: "Client left", icon: "stopped", tone: "idle" };
  if (row.timing?.outcome === "broken") return { text: "Broke off", icon: "failed", tone: "bad" };
  if (status >= 500) return { text: "Failed", icon: "failed", tone: "bad" };
  if (status >= 400) return { text: "Refused", icon: "warning", tone: "moving" };
  if (row.error_msg) return { text: "Error in the answer", icon: "failed", tone: "bad" };
  return { text: status >= 300 ? "Redirected" : "OK", icon: "ready", tone: "ok" };
}
