// The rules of a group in words.
import type { ModelGroup, Models } from "../../lib/api.gen";

export function groupRules(group: ModelGroup): string {
  const own = group.swap ? "one of its models at a time" : "its models run side by side";
  const others = group.exclusive ? "a load stops other groups' models" : "a load leaves other groups' models alone";
  return [own, others, ...(group.persistent ? ["no other group's load stops its models"] : [])].join("; ");
}

/** Whether both are told to be the same models. */
export function sameModels(some: Models | null, others: Models | null): boolean {
  return some !== null && others !== null && some.count === others.count && some.first.join("\n") === others.first.join("\n");
}
