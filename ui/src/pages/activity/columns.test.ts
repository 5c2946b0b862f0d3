import { expect, test } from "vitest";
import { arranged, asFields, byDefault, moved } from "./columns";

const columns = [{ id: "a", label: "A" }, { id: "b", label: "B", isOff: true }, { id: "c", label: "C" }];
const ids = (order: string[]): string[] => arranged(columns, order).map(({ id }) => id);

test("columns come in the chosen order; unknown ones go, new ones stand beside their neighbour", () => {
  expect(ids(["c", "a", "b"])).toEqual(["c", "a", "b"]);
  expect(ids(["c", "gone", "a"])).toEqual(["c", "a", "b"]);
  expect(ids([])).toEqual(["a", "b", "c"]);
});

test("a column moves to a place, and no further than the ends", () => {
  expect(moved(["a", "b", "c"], "c", 0)).toEqual(["c", "a", "b"]);
  expect(moved(["a", "b", "c"], "a", 1)).toEqual(["b", "a", "c"]);
  expect(moved(["a", "b", "c"], "a", 99)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], "a", -1)).toEqual(["a", "b", "c"]);
});

test("some columns are off until asked for", () => {
  expect(byDefault(columns)).toEqual({ order: ["a", "b", "c"], hidden: ["b"] });
});

test("cards show some columns in an order of their own, and offer the others", () => {
  const fields = asFields(columns, ["c", "b", "gone"]);
  expect(byDefault(fields)).toEqual({ order: ["c", "b", "a"], hidden: ["a"] });
  expect(fields.map(({ label }) => label)).toEqual(["C", "B", "A"]);
});
