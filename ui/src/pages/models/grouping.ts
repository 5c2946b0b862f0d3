// The list in parts: by group, family or tag. Each part has its heading, and within it the list's order holds.
import type { CatalogEntry, ModelStatus } from "../../lib/api.gen";
import { natural } from "../../lib/format";

export const GROUPINGS = { group: "Group", family: "Family", tag: "Tag" } as const;
export type Grouping = keyof typeof GROUPINGS;

export interface Heading {
  key: string;
  heading: string;
  count: number;
}

export interface Line {
  key: string;
  model: ModelStatus;
}

export type Part = Heading | Line;

/** A model with several tags stands under each of them. Those of no part come last. */
export function parted(models: readonly ModelStatus[], by: Grouping | null, of: (id: string) => CatalogEntry | undefined): Part[] {
  if (by === null) return models.map((model) => ({ key: model.id, model }));
  const parts = new Map<string, ModelStatus[]>();
  for (const model of models) {
    for (const name of namesOf(model, by, of(model.id))) {
      const known = parts.get(name);
      if (known) known.push(model);
      else parts.set(name, [model]);
    }
  }
  const names = [...parts.keys()].sort((a, b) => Number(a === "") - Number(b === "") || natural(a, b));
  return names.flatMap((name) => {
    const found = parts.get(name) ?? [];
    const heading = name || `No ${GROUPINGS[by].toLowerCase()}`;
    return [{ key: `# ${name}`, heading, count: found.length }, ...found.map((model) => ({ key: `${name}\n${model.id}`, model }))];
  });
}

function namesOf(model: ModelStatus, by: Grouping, entry: CatalogEntry | undefined): readonly string[] {
  switch (by) {
    case "group":
      return [entry?.group ?? ""];
    case "family":
      return [entry?.family || familyOf(model.id)];
    case "tag":
      return entry?.tags?.length ? entry.tags : [""];
  }
}

/** What an id begins with: "org/Qwen2.5-coder:7b" -> "qwen", "gpt-oss-120b" -> "gpt". */
export function familyOf(id: string): string {
  const name = id.slice(id.lastIndexOf("/") + 1);
  return (/^\p{L}+/u.exec(name)?.[0] ?? "").toLowerCase();
}
