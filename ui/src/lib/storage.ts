// What this browser remembers: one entry per name below a common prefix, JSON. Settings can export, import and reset all of it.

const PREFIX = "swapyard.ui.";

export function load<T>(name: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise;
  }
}

export function save(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Full, or not allowed: the choice lasts until the page is reloaded.
  }
}

export function exportAll(): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) found[key.slice(PREFIX.length)] = load(key.slice(PREFIX.length), null);
  return found;
}

/** Throws when it is nothing that `exportAll` gave. */
export function importAll(values: unknown): void {
  if (typeof values !== "object" || values === null || Array.isArray(values)) throw new Error("This file holds no settings of this page.");
  for (const [name, value] of Object.entries(values)) save(name, value);
}

export function resetAll(): void {
  for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
}
