// The .gguf files in the folders of `modelsDir` that no model uses yet.
import type { Found, FoundFile } from "./api.gen";

/** More are not written out at once: nobody reads them, and the configuration takes a few at a time. */
const AT_ONCE = 20;

/** Those that could be models. Where a model is called “found” its details answer instead, without files. */
export function offered(found: Found | null): readonly FoundFile[] {
  return found?.files?.filter((file) => file.yaml) ?? [];
}

/** What is wrong with files and folders, in words. */
export function faults(found: Found | null): readonly string[] {
  const folders = found?.folders?.filter((folder) => folder.problem) ?? [];
  const files = found?.files?.filter((file) => file.problem && !file.used_by) ?? [];
  const told = [...folders, ...files].map(({ path, problem }) => `${path}: ${problem}.`);
  return found?.message && found.enabled ? [...told, `There may be more: ${found.message}.`] : told;
}

/** One configuration with the first of them. */
export function configuration(files: readonly FoundFile[]): { text: string; count: number } {
  const some = files.slice(0, AT_ONCE);
  return { text: `models:\n${some.map((file) => file.yaml?.replace(/^models:\n/, "") ?? "").join("")}`, count: some.length };
}

/** Where some of them lie, or of none where one looked: "/models", "/a and /b", "4 folders". */
export function places(found: Found, files: readonly FoundFile[]): string {
  const paths = files.length ? [...new Set(files.map((file) => file.folder))] : found.folders.map((folder) => folder.path);
  return paths.length > 2 ? `${paths.length} folders` : paths.join(" and ");
}
