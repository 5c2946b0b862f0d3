import { expect, test } from "vitest";
import { type Command, search } from "./commands";

const commands = ["Go to Models", "Load Hare", "Load Tortoise", "Unload Hare", "Show the log of Hare"].map(
  (label): Command => ({ id: label, label, icon: "load", run: () => {} }),
);
const found = (text: string): string[] => search(commands, text).map(({ label }) => label);

test("every word must be found, in any order", () => {
  expect(found("hare show")).toEqual(["Show the log of Hare"]);
  expect(found("snail")).toEqual([]);
});

test("what begins with the words stands first", () => {
  expect(found("load hare")[0]).toBe("Load Hare");
  expect(found("unload")).toEqual(["Unload Hare"]);
  expect(found("lo")[0]).toBe("Load Hare");
});

test("nothing typed shows everything, and never more than can be read", () => {
  expect(found("")).toHaveLength(5);
  expect(search(Array.from({ length: 500 }, () => commands[0]!), "go")).toHaveLength(50);
});
