import { describe, expect, test } from "vitest";
import { EventParser, readEvents } from "./sse";

describe("EventParser", () => {
  test("gives whole events only, however the text is cut", () => {
    const text = 'event:message\ndata:{"type":"a"}\n\n:\n\ndata: two\ndata: lines\r\n\r\n';
    for (let size = 1; size <= text.length; size += 1) {
      const parser = new EventParser();
      const found: string[] = [];
      for (let at = 0; at < text.length; at += size) found.push(...parser.feed(text.slice(at, at + size)));
      expect(found, `pieces of ${size}`).toEqual(['{"type":"a"}', "two\nlines"]);
    }
  });
});

test("readEvents puts characters together that were cut", async () => {
  const bytes = new TextEncoder().encode("data:ü€😀\n\n");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  const found: string[] = [];
  await readEvents(body, (data) => found.push(data));
  expect(found).toEqual(["ü€😀"]);
});
