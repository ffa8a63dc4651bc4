/**
 * Columns of rows in segments of 1,024 rows, so that growing copies nothing, at any size. The first segment alone begins small and
 * doubles: most tables of a state machine stay small, and many state machines may live in one process.
 */

/** A row's segment is `row >>> SEGMENT_BITS`, its place there `row & SEGMENT_MASK`. */
export const SEGMENT_BITS = 10;
/** Rows of a whole segment. */
export const SEGMENT_ROWS: number = 1 << SEGMENT_BITS;
/** See `SEGMENT_BITS`. */
export const SEGMENT_MASK: number = SEGMENT_ROWS - 1;

/** Rows of a first segment at its begin. */
const FIRST_ROWS = 32;

type Column = Float64Array | Int32Array | Uint32Array;

/**
 * Makes room for `row`, with `width` numbers each. What is new holds zeros.
 *
 * @param make makes a segment of so many numbers.
 * @returns for how many rows there is room now, which is more than `row`.
 */
export function growSegments<T extends Column>(
  segments: T[],
  row: number,
  width: number,
  make: (length: number) => T,
): number {
  const first = segments[0];
  let firstRows = first === undefined ? FIRST_ROWS : first.length / width;
  while (firstRows <= row && firstRows < SEGMENT_ROWS) firstRows *= 2;
  if (first === undefined || first.length < firstRows * width) {
    const grown = make(firstRows * width);
    if (first !== undefined) grown.set(first);
    segments[0] = grown;
  }
  if (firstRows < SEGMENT_ROWS) return firstRows;
  while (segments.length <= row >>> SEGMENT_BITS) segments.push(make(SEGMENT_ROWS * width));
  return segments.length * SEGMENT_ROWS;
}
