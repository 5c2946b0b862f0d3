// Where the lines of a log come from: the proxy's and the servers' logs with the page's event stream, a model's with a stream
// of its own, which is opened again when it ends.
import { call, inPath } from "../../lib/api";
import { live } from "../../lib/live.svelte";

/** `isHistory`: it replaces what was told before. */
export type Told = (text: string, isHistory: boolean) => void;

const AGAIN = 3000; // ms until a stream that has ended is opened again

/** `id`: `proxy`, `upstream` or a model's. `failed` is told why there are no news, and null when there are again. Returns how to stop. */
export function follow(id: string, told: Told, failed: (error: unknown) => void): () => void {
  if (id === "proxy" || id === "upstream") {
    const tail = live.logs[id];
    told(tail.text, true);
    return tail.subscribe(told);
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

async function read(answer: Response, told: Told): Promise<void> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  told("", true);
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) return;
    told(decoder.decode(piece.value, { stream: true }), false);
  }
}
