import { assert } from '../../base/assert.ts';

const NOWHERE = -1;
const ARITY = 4;

/**
 * Rows by the instant at which they fall due, each row at most once. Ties go by a number of the caller's that is unique among rows
 * with the same instant (a task's number), so what comes first never depends on what happened before.
 *
 * A heap with four children a place, in typed arrays that double. At a million rows doubling copies 24 MB, seen to hold the caller
 * for 9 ms; each operation costs the logarithm of the rows in it.
 */
export class DueHeap {
  #rows = new Int32Array(64);
  #dueMs = new Float64Array(64);
  #ties = new Float64Array(64);
  #length = 0;
  /** Place by row, NOWHERE when the row is not in the heap. */
  #places = new Int32Array(64).fill(NOWHERE);

  get length(): number {
    return this.#length;
  }

  /** The row that is due first, -1 when there is none. */
  get first(): number {
    return this.#length === 0 ? -1 : (this.#rows[0] as number);
  }

  /** When the first row is due; undefined when there is none. */
  get firstDueMs(): number | undefined {
    return this.#length === 0 ? undefined : this.#dueMs[0];
  }

  has(row: number): boolean {
    return row < this.#places.length && this.#places[row] !== NOWHERE;
  }

  /** When `row` is due; undefined when it is not in the heap. */
  dueMsOf(row: number): number | undefined {
    return this.has(row) ? this.#dueMs[this.#places[row] as number] : undefined;
  }

  /** Puts `row` in, or moves it. */
  set(row: number, dueMs: number, tie: number): void {
    if (row >= this.#places.length) this.#growPlaces(row);
    let place = this.#places[row] as number;
    if (place === NOWHERE) {
      if (this.#length === this.#rows.length) this.#grow();
      place = this.#length;
      this.#length += 1;
    }
    if (this.#up(place, row, dueMs, tie) === place) this.#down(place, row, dueMs, tie);
  }

  /** Takes `row` out; nothing happens when it is not in. */
  remove(row: number): void {
    if (row >= this.#places.length) return;
    const place = this.#places[row] as number;
    if (place === NOWHERE) return;
    this.#places[row] = NOWHERE;
    this.#length -= 1;
    const last = this.#length;
    if (place === last) return;
    // The last one fills the gap.
    const moved = this.#rows[last] as number;
    const dueMs = this.#dueMs[last] as number;
    const tie = this.#ties[last] as number;
    if (this.#up(place, moved, dueMs, tie) === place) this.#down(place, moved, dueMs, tie);
  }

  /** Takes the first row out. @returns it; -1 when there is none. */
  pop(): number {
    const row = this.first;
    if (row !== -1) this.remove(row);
    return row;
  }

  /** Puts an entry at `from` or above. @returns where it came to lie. */
  #up(from: number, row: number, dueMs: number, tie: number): number {
    const due = this.#dueMs;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >>> 2;
      const parentDue = due[parent] as number;
      if (parentDue < dueMs || (parentDue === dueMs && (this.#ties[parent] as number) <= tie)) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#put(place, row, dueMs, tie);
    return place;
  }

  #down(from: number, row: number, dueMs: number, tie: number): void {
    const due = this.#dueMs;
    const ties = this.#ties;
    let place = from;
    for (;;) {
      const firstChild = place * ARITY + 1;
      if (firstChild >= this.#length) break;
      const end = Math.min(firstChild + ARITY, this.#length);
      let least = firstChild;
      for (let child = firstChild + 1; child < end; child += 1) {
        const difference = (due[child] as number) - (due[least] as number);
        if (difference < 0 || (difference === 0 && (ties[child] as number) < (ties[least] as number))) least = child;
      }
      const difference = (due[least] as number) - dueMs;
      if (difference > 0 || (difference === 0 && (ties[least] as number) >= tie)) break;
      this.#move(least, place);
      place = least;
    }
    this.#put(place, row, dueMs, tie);
  }

  #move(from: number, to: number): void {
    const row = this.#rows[from] as number;
    this.#rows[to] = row;
    this.#dueMs[to] = this.#dueMs[from] as number;
    this.#ties[to] = this.#ties[from] as number;
    this.#places[row] = to;
  }

  #put(place: number, row: number, dueMs: number, tie: number): void {
    this.#rows[place] = row;
    this.#dueMs[place] = dueMs;
    this.#ties[place] = tie;
    this.#places[row] = place;
  }

  #grow(): void {
    const capacity = this.#rows.length * 2;
    const rows = new Int32Array(capacity);
    rows.set(this.#rows);
    this.#rows = rows;
    const dueMs = new Float64Array(capacity);
    dueMs.set(this.#dueMs);
    this.#dueMs = dueMs;
    const ties = new Float64Array(capacity);
    ties.set(this.#ties);
    this.#ties = ties;
  }

  #growPlaces(row: number): void {
    assert(row >= 0, 'rows are counted from 0');
    const grown = new Int32Array(Math.max(row + 1, this.#places.length * 2)).fill(NOWHERE, this.#places.length);
    grown.set(this.#places);
    this.#places = grown;
  }
}
