import { expect, test } from "vitest";
import { coloursOf } from "./colours";

const told = (...models: string[]): Record<string, number> => Object.fromEntries(coloursOf(models));

test("a model keeps its colour while others come and go, and has it again when it comes back", () => {
  expect(told("b", "d")).toEqual({ b: 1, d: 2 });
  expect(told("a", "b", "c", "d")).toEqual({ a: 3, b: 1, c: 4, d: 2 });
  expect(told("c", "d")).toEqual({ c: 4, d: 2 });
  expect(told("b", "c")).toEqual({ b: 1, c: 4 });
});

test("nobody takes the colour of who is shown, and more models than colours share some", () => {
  const many = coloursOf(Array.from({ length: 8 }, (_, at) => `m${at}`));
  expect([...many.values()].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(told("b", "m0")).toMatchObject({ m0: many.get("m0") });
  const more = coloursOf(Array.from({ length: 12 }, (_, at) => `m${at}`));
  expect([...more.values()].every((colour) => colour >= 1 && colour <= 8)).toBe(true);
});
