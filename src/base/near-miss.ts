/** The one of `choices` that whoever wrote `word` probably meant, or undefined: at most two letters wrong, and fewer than half. */
export function nearMiss(word: string, choices: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(2, Math.ceil(word.length / 2) - 1);
  for (const choice of choices) {
    const found = distance(lower, choice.toLowerCase());
    if (found > bestDistance || (found === bestDistance && best !== undefined)) continue;
    best = choice;
    bestDistance = found;
  }
  return best;
}

/** Letters to insert, drop, change or swap with a neighbour to make `right` of `left` (optimal string alignment). */
function distance(left: string, right: string): number {
  let before: number[] = [];
  let above: number[] = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row += 1) {
    const current: number[] = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1];
      let least = Math.min(
        (above[column] as number) + 1,
        (current[column - 1] as number) + 1,
        (above[column - 1] as number) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        least = Math.min(least, (before[column - 2] as number) + 1);
      }
      current.push(least);
    }
    before = above;
    above = current;
  }
  return above[right.length] as number;
}
