import { assert } from '../../base/assert.ts';
import { growSegments, SEGMENT_BITS, SEGMENT_MASK } from './segments.ts';

const ARITY = 4;
/** Numbers a place: instant, tie-break, row. */
const WIDTH = 3;

/**
 * Rows by the instant at which they fall due, each row at most once. Ties go by a number of the caller's that is unique among rows
 * with the same instant (a task's number), so what comes first never depends on what happened before.
 *
 * A heap with four children a place, in segments: growing copies nothing, at any size. An operation costs the logarithm of the rows.
 */
export class DueHeap {
  readonly #heap: Float64Array[] = [];
  /** For how many rows the heap has room. */
  #heapRoom = 0;
  #length = 0;
  /** Place + 1 by row, 0 when the row is not in the heap. */
  readonly #places: Int32Array[] = [];
  /** What rows are below may have a place. */
  #placesRoom = 0;

  get length(): number {
    return this.#length;
  }

  /** The row that is due first, -1 when there is none. */
  get first(): number {
    return this.#length === 0 ? -1 : ((this.#heap[0] as Float64Array)[2] as number);
  }

  /** When the first row is due; undefined when there is none. */
  get firstDueMs(): number | undefined {
    return this.#length === 0 ? undefined : (this.#heap[0] as Float64Array)[0];
  }

  has(row: number): boolean {
    return this.#placeOf(row) !== -1;
  }

  /** When `row` is due; undefined when it is not in the heap. */
  dueMsOf(row: number): number | undefined {
    const place = this.#placeOf(row);
    return place === -1
      ? undefined
      : (this.#heap[place >>> SEGMENT_BITS] as Float64Array)[(place & SEGMENT_MASK) * WIDTH];
  }

  /** Puts `row` in, or moves it. */
  set(row: number, dueMs: number, tie: number): void {
    if (row >= this.#placesRoom) this.#placesRoom = growSegments(this.#places, row, 1, newPlaces);
    let place = this.#placeOf(row);
    if (place === -1) {
      place = this.#length;
      if (place === this.#heapRoom) this.#heapRoom = growSegments(this.#heap, place, WIDTH, newEntries);
      this.#length += 1;
    }
    this.#settle(place, row, dueMs, tie);
  }

  /** Takes `row` out; nothing happens when it is not in. */
  remove(row: number): void {
    const place = this.#placeOf(row);
    if (place === -1) return;
    (this.#places[row >>> SEGMENT_BITS] as Int32Array)[row & SEGMENT_MASK] = 0;
    this.#length -= 1;
    const last = this.#length;
    if (place === last) return;
    // The last one fills the gap.
    const segment = this.#heap[last >>> SEGMENT_BITS] as Float64Array;
    const at = (last & SEGMENT_MASK) * WIDTH;
    this.#settle(place, segment[at + 2] as number, segment[at] as number, segment[at + 1] as number);
  }

  /** Takes the first row out. @returns it; -1 when there is none. */
  pop(): number {
    const row = this.first;
    if (row !== -1) this.remove(row);
    return row;
  }

  #placeOf(row: number): number {
    if (row >= this.#placesRoom) return -1;
    return ((this.#places[row >>> SEGMENT_BITS] as Int32Array)[row & SEGMENT_MASK] as number) - 1;
  }

  /** Puts an entry at the free `place`, or where it belongs above or below. */
  #settle(place: number, row: number, dueMs: number, tie: number): void {
    assert(place < this.#length, 'an entry settles within the heap');
    const above = this.#up(place, dueMs, tie);
    const settled = above === place ? this.#down(place, dueMs, tie) : above;
    const segment = this.#heap[settled >>> SEGMENT_BITS] as Float64Array;
    const at = (settled & SEGMENT_MASK) * WIDTH;
    segment[at] = dueMs;
    segment[at + 1] = tie;
    segment[at + 2] = row;
    (this.#places[row >>> SEGMENT_BITS] as Int32Array)[row & SEGMENT_MASK] = settled + 1;
  }

  /** Moves later parents down into the free place. @returns the place that is free then. */
  #up(from: number, dueMs: number, tie: number): number {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >>> 2;
      if (!this.#isLater(parent, dueMs, tie)) break;
      this.#move(parent, place);
      place = parent;
    }
    return place;
  }

  /** Moves earlier children up into the free place. @returns the place that is free then. */
  #down(from: number, dueMs: number, tie: number): number {
    let place = from;
    for (;;) {
      const firstChild = place * ARITY + 1;
      if (firstChild >= this.#length) return place;
      const end = Math.min(firstChild + ARITY, this.#length);
      let least = -1;
      let leastDueMs = dueMs;
      let leastTie = tie;
      for (let child = firstChild; child < end; child += 1) {
        const segment = this.#heap[child >>> SEGMENT_BITS] as Float64Array;
        const at = (child & SEGMENT_MASK) * WIDTH;
        const childDueMs = segment[at] as number;
        if (childDueMs > leastDueMs) continue;
        const childTie = segment[at + 1] as number;
        if (childDueMs === leastDueMs && childTie >= leastTie) continue;
        least = child;
        leastDueMs = childDueMs;
        leastTie = childTie;
      }
      if (least === -1) return place;
      this.#move(least, place);
      place = least;
    }
  }

  #isLater(place: number, dueMs: number, tie: number): boolean {
    const segment = this.#heap[place >>> SEGMENT_BITS] as Float64Array;
    const at = (place & SEGMENT_MASK) * WIDTH;
    const placeDueMs = segment[at] as number;
    return placeDueMs > dueMs || (placeDueMs === dueMs && (segment[at + 1] as number) > tie);
  }

  #move(from: number, to: number): void {
    const source = this.#heap[from >>> SEGMENT_BITS] as Float64Array;
    const target = this.#heap[to >>> SEGMENT_BITS] as Float64Array;
    const at = (from & SEGMENT_MASK) * WIDTH;
    const into = (to & SEGMENT_MASK) * WIDTH;
    const row = source[at + 2] as number;
    target[into] = source[at] as number;
    target[into + 1] = source[at + 1] as number;
    target[into + 2] = row;
    (this.#places[row >>> SEGMENT_BITS] as Int32Array)[row & SEGMENT_MASK] = to + 1;
  }
}

function newEntries(length: number): Float64Array {
  return new Float64Array(length);
}

function newPlaces(length: number): Int32Array {
  return new Int32Array(length);
}
