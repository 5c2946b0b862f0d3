// Which of the eight colours a model has wherever memory is shown by models: it keeps it while others come and go.

const MANY = 8;
const given = new Map<string, number>();

/** Of models that are shown side by side, 1 to 8. One that comes gets the colour that it had before or, where another has that by
 *  now, one that is free; with more models than colours some share theirs. */
export function coloursOf(models: readonly string[]): ReadonlyMap<string, number> {
  const shown = new Map<string, number>();
  const taken = new Set<number>();
  const keep = (model: string, colour: number): void => void (shown.set(model, colour), taken.add(colour));
  // Who stays shown has the first say: nobody who comes takes its colour away.
  for (const model of models) {
    const colour = given.get(model);
    if (colour !== undefined && !taken.has(colour)) keep(model, colour);
  }
  for (const model of models) if (!shown.has(model)) keep(model, next(taken));
  for (const [model, colour] of shown) given.set(model, colour);
  return shown;
}

/** The first that nobody shown has, rather one that nobody has had. */
function next(taken: ReadonlySet<number>): number {
  const all = Array.from({ length: MANY }, (_, at) => at + 1);
  const used = new Set(given.values());
  return all.find((colour) => !taken.has(colour) && !used.has(colour)) ?? all.find((colour) => !taken.has(colour)) ?? (given.size % MANY) + 1;
}
