import { expect, test } from "vitest";
import { groupRules, sameModels } from "./routing";

const group = { name: "g", swap: true, exclusive: true, persistent: false, members: { count: 0, first: [] } };

test("a group's rules are told in words", () => {
  expect(groupRules(group)).toBe("one of its models at a time; a load stops other groups' models");
  expect(groupRules({ ...group, swap: false, exclusive: false, persistent: true })).toBe(
    "its models run side by side; a load leaves other groups' models alone; no other group's load stops its models",
  );
});

test("what is not known is not called the same", () => {
  expect(sameModels({ count: 1, first: ["a"] }, { count: 1, first: ["a"] })).toBe(true);
  expect(sameModels({ count: 1, first: ["a"] }, { count: 1, first: ["b"] })).toBe(false);
  expect(sameModels(null, null)).toBe(false);
});
