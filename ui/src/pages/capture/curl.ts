// A captured request as a command for a shell, to be made again by hand.
import type { Capture } from "../../lib/api.gen";

/** Set by whoever sends it anew, or not for the server at all. */
const LEFT_OUT = /^(host|content-length|connection|accept-encoding|user-agent|x-requested-with|transfer-encoding|accept|sec-.*|origin|referer|via|x-forwarded-.*)$/i;

/** `address`: of the server, without a slash at its end. `body`: null where it is no text or was not kept. */
export function curl(capture: Capture, address: string, body: string | null): string {
  const lines = [`curl ${quoted(address + capture.req_path)}`];
  for (const [name, value] of Object.entries(capture.req_headers ?? {})) {
    if (LEFT_OUT.test(name)) continue;
    lines.push(`-H ${quoted(value === "[REDACTED]" ? `${name}: ${placeholder(name)}` : `${name}: ${value}`)}`);
  }
  if (body !== null) lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

function placeholder(name: string): string {
  return /^authorization$/i.test(name) ? "Bearer YOUR_KEY" : "YOUR_KEY";
}

function quoted(text: string): string {
  return `'${text.replace(/'/g, "'\\''")}'`;
}
