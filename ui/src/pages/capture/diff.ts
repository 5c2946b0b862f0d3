// Which words of two texts differ.

export interface Piece {
  text: string;
  isOnlyHere: boolean;
}

const LONGEST = 800; // words; the comparison costs the product of both

/** Both texts in pieces; null where they are too long to be compared word by word. */
export function compared(one: string, other: string): [Piece[], Piece[]] | null {
  const [a, b] = [wordsOf(one), wordsOf(other)];
  if (a.length > LONGEST || b.length > LONGEST) return null;
  // same[i][j]: how many words a from i on and b from j on have in common, in order.
  const same = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) same[i]![j] = a[i] === b[j] ? same[i + 1]![j + 1]! + 1 : Math.max(same[i + 1]![j]!, same[i]![j + 1]!);
  const [left, right]: [Piece[], Piece[]] = [[], []];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add(left, a[i++]!, false);
      add(right, b[j++]!, false);
    } else if (j >= b.length || (i < a.length && same[i + 1]![j]! >= same[i]![j + 1]!)) add(left, a[i++]!, true);
    else add(right, b[j++]!, true);
  }
  return [left, right];
}

/** Words with the space behind them. */
function wordsOf(text: string): string[] {
  return text.match(/\S+\s*|^\s+/g) ?? [];
}

function add(pieces: Piece[], text: string, isOnlyHere: boolean): void {
  const last = pieces.at(-1);
  if (last?.isOnlyHere === isOnlyHere) last.text += text;
  else pieces.push({ text, isOnlyHere });
}
