// Where the lines of a log come from: the proxy's and the servers' logs, and both as one, with the page's event stream; a
// model's with a stream of its own, which is opened again when it ends.
import { call, inPath } from "../../lib/api";
import { live } from "../../lib/live.svelte";
import { type Entry, entriesOf, mergedByTime, split, timeIn } from "./lines";

/** `isHistory`: they replace what was told before. */
export type Told = (lines: readonly Entry[], isHistory: boolean) => void;

const AGAIN = 3000; // ms until a stream that has ended is opened again
const HISTORY = 500; // ms in which a model's stream tells what was before

/** `id`: `proxy`, `upstream`, `all` (both) or a model's. `failed` is told why there are no news, and null when there are again. Returns
 * how to stop. */
export function follow(id: string, told: Told, failed: (error: unknown) => void): () => void {
  if (id === "all") return followBoth(told);
  if (id === "proxy" || id === "upstream") {
    const tail = live.logs[id];
    told(tail.chunks.flatMap((chunk) => entriesOf(chunk, null)), true);
    return tail.subscribe((chunk, isHistory) => told(entriesOf(chunk, null), isHistory));
  }
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  async function open(): Promise<void> {
    try {
      const answer = await call("GET", `logs/stream/${inPath(id)}`, { signal: abort.signal });
      failed(null);
      await read(answer, told);
    } catch (error) {
      if (abort.signal.aborted) return;
      failed(error);
    }
    if (!abort.signal.aborted) timer = setTimeout(() => void open(), AGAIN);
  }
  void open();
  return () => {
    abort.abort();
    clearTimeout(timer);
  };
}

function followBoth(told: Told): () => void {
  const all = (): void => {
    const [proxy, upstream] = (["proxy", "upstream"] as const).map((name) => live.logs[name].chunks.flatMap((chunk) => entriesOf(chunk, name)));
    told(mergedByTime(proxy ?? [], upstream ?? []), true);
  };
  all();
  const stops = (["proxy", "upstream"] as const).map((name) =>
    live.logs[name].subscribe((chunk, isHistory) => (isHistory ? all() : told(entriesOf(chunk, name), false))),
  );
  return () => stops.forEach((stop) => stop());
}

/** A line's time is the one that it tells; else when it came, unless it was there before. */
async function read(answer: Response, told: Told): Promise<void> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  const opened = Date.now();
  let rest = "";
  told([], true);
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) return;
    const now = Date.now();
    const found = split(rest + decoder.decode(piece.value, { stream: true }));
    rest = found.rest;
    told(found.lines.map((text) => ({ text, at: timeIn(text) ?? (now - opened > HISTORY ? now : null), from: null })), false);
  }
}
