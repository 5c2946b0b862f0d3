// The chapters of the manual, in the order in which somebody may want to read them. Each is fetched when it is read.
import type { Chapter } from "../../../manual";

const FILES = import.meta.glob<{ default: Chapter }>("../../../../docs/*.md");

export const CHAPTERS = {
  configuration: "Configuration",
  keys: "All keys",
  scheduling: "Swapping and queueing",
  clients: "Clients",
  endpoints: "All routes",
  http: "Routes and errors",
  operation: "Operation",
  observability: "What is recorded",
  ui: "This page",
  "llama-swap": "Coming from llama-swap",
  plugins: "Plugins",
} as const;

export type ChapterName = keyof typeof CHAPTERS;

export function isChapter(name: string): name is ChapterName {
  return Object.hasOwn(CHAPTERS, name);
}

/** Rejects where the file is gone, after an update of the server. */
export async function read(name: ChapterName): Promise<Chapter> {
  const file = FILES[`../../../../docs/${name}.md`];
  if (!file) throw new Error(`There is no chapter “${name}”.`);
  return (await file()).default;
}
