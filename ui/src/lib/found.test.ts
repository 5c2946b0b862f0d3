import { describe, expect, it } from "vitest";
import type { Found, FoundFile } from "./api.gen";
import { configuration, faults, offered, places } from "./found";

function file(name: string, more: Partial<FoundFile> = {}): FoundFile {
  return { name, path: `/m/${name}.gguf`, folder: "/m", size: 1, yaml: `models:\n  ${name}:\n    cmd: serve ${name}\n`, ...more };
}

function found(files: FoundFile[], more: Partial<Found> = {}): Found {
  return { enabled: true, message: "", folders: [{ path: "/m" }], files, ...more };
}

describe("found files", () => {
  it("offers what could be a model, and nothing where a model's details answered", () => {
    const used = file("used", { used_by: "a", yaml: undefined });
    expect(offered(found([file("a"), used]))).toEqual([file("a")]);
    expect(offered({ id: "found" } as unknown as Found)).toEqual([]);
    expect(faults({ id: "found" } as unknown as Found)).toEqual([]);
    expect(offered(null)).toEqual([]);
  });

  it("puts the first of them into one configuration", () => {
    expect(configuration([file("a"), file("b")])).toEqual({ text: "models:\n  a:\n    cmd: serve a\n  b:\n    cmd: serve b\n", count: 2 });
    expect(configuration(Array.from({ length: 30 }, (_, at) => file(`m${at}`))).count).toBe(20);
  });

  it("tells what is wrong", () => {
    const split = file("big", { problem: "1 of its 2 parts are here", yaml: undefined });
    const told = found([split], { folders: [{ path: "/n", problem: "it does not exist" }], message: "only the first 1,000 files are listed" });
    expect(faults(told)).toEqual([
      "/n: it does not exist.",
      "/m/big.gguf: 1 of its 2 parts are here.",
      "There may be more: only the first 1,000 files are listed.",
    ]);
    expect(faults(found([], { enabled: false, message: "Set modelsDir" }))).toEqual([]);
  });

  it("names the places", () => {
    const at = (...paths: string[]) => places(found([], { folders: paths.map((path) => ({ path })) }), []);
    expect([at("/a"), at("/a", "/b"), at("/a", "/b", "/c")]).toEqual(["/a", "/a and /b", "3 folders"]);
    expect(places(found([], { folders: [{ path: "/m" }, { path: "/empty" }] }), [file("a"), file("b")])).toBe("/m");
  });
});
