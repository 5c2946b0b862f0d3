import { expect, test } from "vitest";
import { type Filters, asked, chips, fromLocal, readFilters, toLocal } from "./filters";

const read = (text: string): Filters => {
  const query = new URLSearchParams(text);
  return readFilters({ get: (name) => query.get(name) ?? "", all: (name) => query.getAll(name) });
};

test("the address says which requests, and what makes no sense is left out", () => {
  const found = read("model=a&model=b%2Fc&status=5xx&status=oops&status=404&range=forever&min_id=0&max_id=12&start=yesterday&session=&session=s+1");
  expect(found).toEqual({ models: ["a", "b/c"], statuses: ["5xx", "404"], path: "", text: "", sessions: ["s 1"], range: "", start: "", end: "", minId: "", maxId: "12" });
});

test("a range counts back from now, and wins over fixed times", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  expect(asked(read("range=1h&end=2020-01-01T00:00:00Z"), now)).toMatchObject({ start: "2026-01-31T11:00:00Z", end: "" });
  expect(asked(read("start=2026-01-30T10:00:00.5%2B02:00"), now)).toMatchObject({ start: "2026-01-30T08:00:00Z" });
});

test("every filter is a chip that takes itself away only", () => {
  const shown = chips(read("model=a&model=b&status=5xx&path=chat&text=hi&session=s1&range=24h&min_id=3"), (id) => id.toUpperCase(), String);
  expect(shown.map(({ text }) => text)).toEqual(["A", "B", "Status 5xx", "Path has “chat”", "Says “hi”", "Session s1", "Last 24 hours", "Id from 3"]);
  expect(shown[0]?.without).toEqual({ model: ["b"] });
  expect(shown[7]?.without).toEqual({ min_id: null });
});

test("local time fields keep the moment", () => {
  expect(fromLocal(toLocal("2026-01-31T12:00:07Z"))).toBe("2026-01-31T12:00:07Z");
  expect(toLocal("nonsense")).toBe("");
  expect(fromLocal("")).toBe("");
});
