import { expect, test } from "vitest";
import { pagesAround } from "./pages";

test("up to seven pages, the present one among them", () => {
  expect(pagesAround(1, 0)).toEqual([1]);
  expect(pagesAround(2, 3)).toEqual([1, 2, 3]);
  expect(pagesAround(1, 40)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(pagesAround(20, 40)).toEqual([17, 18, 19, 20, 21, 22, 23]);
  expect(pagesAround(40, 40)).toEqual([34, 35, 36, 37, 38, 39, 40]);
});
