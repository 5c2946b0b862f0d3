import { expect, test } from "vitest";
import type { ActivityRow } from "../../lib/api.gen";
import { speeds } from "./speeds";

const rows = (...told: number[]): ActivityRow[] => told.map((tokens_per_second) => ({ tokens: { tokens_per_second } }) as ActivityRow);

test("requests that tell no speed are no point", () => {
  expect(speeds(rows(30, -1, 0, 10), "tokens_per_second")).toEqual({ points: [{ at: 0, value: 10 }, { at: 1, value: 30 }], median: 20 });
  expect(speeds(rows(5, 1, 3), "tokens_per_second").median).toBe(3);
  expect(speeds(rows(-1), "tokens_per_second")).toEqual({ points: [], median: null });
});
