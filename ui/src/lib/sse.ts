// Server-sent events read from a fetch: an EventSource cannot send the key.

/** Takes the text as it comes and gives the data of every event that is complete. Comments and other fields are dropped. */
export class EventParser {
  #rest = "";

  feed(text: string): string[] {
    const blocks = (this.#rest + text).replace(/\r\n?/g, "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.map(dataOf).filter((data) => data !== "");
  }
}

function dataOf(block: string): string {
  const lines = block.split("\n").filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(line[5] === " " ? 6 : 5)).join("\n");
}

/** Calls `onData` for every event until the stream ends. `onBytes`: something came, be it a comment. */
export async function readEvents(body: ReadableStream<Uint8Array>, onData: (data: string) => void, onBytes?: () => void): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes?.();
    for (const data of parser.feed(decoder.decode(value, { stream: true }))) onData(data);
  }
}
