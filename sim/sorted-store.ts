/** An ordered map of bytes to bytes in memory. */
import type { DatabaseEntry, RangeOptions } from '../src/storage/disk.ts';
import { RANGE_BYTES_DEFAULT } from '../src/storage/disk.ts';
import { compareKeys } from '../src/storage/keys.ts';
import { Copies } from './copies.ts';

/** One step of a batch: a value, or undefined to delete. */
export type Step = readonly [key: Uint8Array, value: Uint8Array | undefined];

/** See the head of this file. */
export class SortedStore {
  /** Ascending by key, each key once. */
  readonly #entries: [key: Uint8Array, value: Uint8Array][] = [];
  /** For what is read. */
  readonly #copies = new Copies();

  get size(): number {
    return this.#entries.length;
  }

  /** Another one with the same records; a change to one of them is none to the other. */
  clone(): SortedStore {
    const copy = new SortedStore();
    copy.#entries.push(...this.#entries);
    return copy;
  }

  apply(steps: readonly Step[]): void {
    const entries = this.#entries;
    for (let step = 0; step < steps.length; step += 1) {
      const [key, value] = steps[step] as Step;
      const last = entries[entries.length - 1];
      // A log grows at its end.
      const at = last !== undefined && compareKeys(last[0], key) < 0 ? entries.length : this.#lowerBound(key);
      const present = this.#isAt(at, key);
      if (value === undefined) {
        if (!present) continue;
        // And goes from its begin, many in a row.
        let run = 1;
        while (this.#isDeletion(steps[step + run], at + run)) run += 1;
        entries.splice(at, run);
        step += run - 1;
      } else if (present || at === entries.length) entries[at] = [key, value];
      else entries.splice(at, 0, [key, value]);
    }
  }

  /** True when `step` deletes what is at `place`. */
  #isDeletion(step: Step | undefined, place: number): boolean {
    return step !== undefined && step[1] === undefined && this.#isAt(place, step[0]);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const at = this.#lowerBound(key);
    if (!this.#isAt(at, key)) return undefined;
    return this.#copies.of((this.#entries[at] as DatabaseEntry)[1]);
  }

  /** The record at `place` in the order of the keys. */
  at(place: number): DatabaseEntry | undefined {
    return this.#entries[place];
  }

  range({ gte, lt, reverse = false, limit, maxBytes = RANGE_BYTES_DEFAULT }: RangeOptions): readonly DatabaseEntry[] {
    const start = this.#lowerBound(gte);
    const end = this.#lowerBound(lt);
    const page: DatabaseEntry[] = [];
    let bytes = 0;
    for (let count = 0; count < end - start && count < limit && bytes < maxBytes; count += 1) {
      const [key, value] = this.#entries[reverse ? end - 1 - count : start + count] as DatabaseEntry;
      page.push([this.#copies.of(key), this.#copies.of(value)]);
      bytes += value.length;
    }
    return page;
  }

  #isAt(at: number, key: Uint8Array): boolean {
    const entry = this.#entries[at];
    return entry !== undefined && compareKeys(entry[0], key) === 0;
  }

  #lowerBound(key: Uint8Array): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys((this.#entries[middle] as DatabaseEntry)[0], key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
