// Which part of a long list is drawn: what is looked at, and a little more. The rest is room of the same height.

/** Rows of a list; with more of them it is drawn in part. */
export const MANY = 200;

/** Rows `from` (inclusive) to `to` (exclusive), and the heights of what is left out above and below them, px. */
export interface Drawn {
  from: number;
  to: number;
  above: number;
  below: number;
}

/** The rows that touch the stretch from `top` to `bottom`, px from the list's top. `heights`: of each row, px. */
export function drawn(heights: readonly number[], top: number, bottom: number): Drawn {
  const found: Drawn = { from: 0, to: 0, above: 0, below: 0 };
  let edge = 0;
  heights.forEach((height, at) => {
    if (edge + height <= top) {
      found.from = found.to = at + 1;
      found.above += height;
    } else if (edge < bottom) found.to = at + 1;
    else found.below += height;
    edge += height;
  });
  return found;
}
