// The columns of a table, or the fields of cards, that people may hide and reorder. Pure; layout.svelte.ts keeps the choice.

export interface ColumnChoice {
  id: string;
  label: string;
  /** Not shown until somebody asks for it. */
  isOff?: boolean;
}

export interface Stored {
  order: readonly string[];
  hidden: readonly string[];
}

/** All columns in the chosen order. Unknown ones are dropped, new ones come where they stand by default, after their neighbour. */
export function arranged<C extends ColumnChoice>(columns: readonly C[], order: readonly string[]): C[] {
  const found = order.flatMap((id) => columns.find((column) => column.id === id) ?? []);
  columns.forEach((column, at) => {
    if (found.includes(column)) return;
    const before = columns.slice(0, at).reverse().find((other) => found.includes(other));
    found.splice(before ? found.indexOf(before) + 1 : 0, 0, column);
  });
  return found;
}

/** `id` moves to the place of `to`. */
export function moved(order: readonly string[], id: string, to: number): string[] {
  const others = order.filter((other) => other !== id);
  others.splice(Math.min(others.length, Math.max(0, to)), 0, id);
  return others;
}

export function byDefault(columns: readonly ColumnChoice[]): Stored {
  return { order: columns.map(({ id }) => id), hidden: columns.filter(({ isOff }) => isOff).map(({ id }) => id) };
}

/** The same for cards: of the columns, those named come first and are shown, the others are off. */
export function asFields<C extends ColumnChoice>(columns: readonly C[], names: readonly string[]): C[] {
  const isNamed = ({ id }: C): boolean => names.includes(id);
  const named = columns.filter(isNamed).sort((a, b) => names.indexOf(a.id) - names.indexOf(b.id));
  return [...named.map((column) => ({ ...column, isOff: false })), ...columns.filter((column) => !isNamed(column)).map((column) => ({ ...column, isOff: true }))];
}
