import { expect, test } from "vitest";
import { finishText, numbersOf, percentile, waited } from "./numbers";

const MOMENTS = { asked: 1000, ready: 9000, first: 9500, last: 11_500, ended: 11_600 };

test("what the server measured goes first", () => {
  const numbers = numbersOf(MOMENTS, { prompt: 110, cached: 10, generated: 101 }, { prefill: 400, decode: 52 }, "stop");
  expect(numbers).toMatchObject({ prompt: 110, cached: 10, generated: 101, prefill: 400, decode: 52, isEstimate: false });
});

test("without its figures the page's own clock is used, and it is said", () => {
  const numbers = numbersOf(MOMENTS, { prompt: 110, cached: 10, generated: 101 }, {}, "stop");
  expect(numbers).toMatchObject({ prefill: 200, decode: 50, isEstimate: true });
});

test("a load is waiting, and no part of the time to the first token", () => {
  expect(numbersOf(MOMENTS, {}, {}, "stop")).toMatchObject({ wait: 8, firstToken: 0.5, total: 10.6 });
  expect(numbersOf({ ...MOMENTS, ready: null }, {}, {}, "stop")).toMatchObject({ wait: null, firstToken: 8.5 });
});

test("what is left before the first token, when the prompt has been read, it waited at the server", () => {
  const slow = numbersOf({ ...MOMENTS, first: 12_000 }, {}, { read: 0.5 }, "stop");
  expect(slow).toMatchObject({ wait: 8, firstToken: 3, server: 2.5 });
  expect(waited(slow)).toBe(10.5);
  const unqueued = numbersOf({ ...MOMENTS, ready: null }, {}, { read: 0.5 }, "stop");
  expect([unqueued.server, waited(unqueued)]).toEqual([8, 8]);
});

test("the way through a network is no wait, and without the server's figures none is known", () => {
  const quick = numbersOf({ ...MOMENTS, ready: null, asked: 9000 }, {}, { read: 0.46 }, "stop");
  expect([quick.server, waited(quick)]).toEqual([0, 0]);
  const untold = numbersOf({ ...MOMENTS, ready: null }, {}, { prefill: 400 }, "stop");
  expect([untold.server, waited(untold)]).toEqual([null, null]);
});

test("what is not known is null, never 0", () => {
  const numbers = numbersOf({ asked: 0, ready: null, first: null, last: null, ended: 5 }, {}, {}, "");
  expect(numbers).toMatchObject({ prompt: null, cached: null, generated: null, prefill: null, decode: null, firstToken: null, wait: null });
});

test("one token has no speed", () => {
  expect(numbersOf({ ...MOMENTS, last: 9500 }, { generated: 1 }, {}, "stop").decode).toBeNull();
});

test("percentiles are values that were seen", () => {
  const values = [5, 1, 4, 2, 3];
  expect([percentile(values, 0.5), percentile(values, 0.95), percentile(values, 1), percentile([7], 0.5), percentile([], 0.5)]).toEqual([3, 5, 5, 7, null]);
});

test("finish reasons of all APIs are words", () => {
  expect(finishText("max_tokens")).toBe(finishText("length"));
  expect(finishText("something_new")).toBe("something_new");
});
