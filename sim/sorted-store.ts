/** An ordered map of bytes to bytes in memory. */
import type { DatabaseEntry, RangeOptions } from '../src/storage/disk.ts';
import { RANGE_BYTES_DEFAULT } from '../src/storage/disk.ts';
import { compareKeys } from '../src/storage/keys.ts';

/** One step of a batch: a value, or undefined to delete. */
export type Step = readonly [key: Uint8Array, value: Uint8Array | undefined];

/** See the head of this file. */
export class SortedStore {
  /** Ascending by key, each key once. */
  readonly #entries: [key: Uint8Array, value: Uint8Array][] = [];

  get size(): number {
    return this.#entries.length;
  }

  apply(steps: readonly Step[]): void {
    for (const [key, value] of steps) {
      const at = this.#lowerBound(key);
      const present = this.#isAt(at, key);
      if (value === undefined) {
        if (present) this.#entries.splice(at, 1);
      } else {
        this.#entries.splice(at, present ? 1 : 0, [key, value]);
      }
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const at = this.#lowerBound(key);
    return this.#isAt(at, key) ? this.#entries[at]?.[1].slice() : undefined;
  }

  range({ gte, lt, reverse = false, limit, maxBytes = RANGE_BYTES_DEFAULT }: RangeOptions): readonly DatabaseEntry[] {
    const start = this.#lowerBound(gte);
    const end = this.#lowerBound(lt);
    const page: DatabaseEntry[] = [];
    let bytes = 0;
    for (let count = 0; count < end - start && count < limit && bytes < maxBytes; count += 1) {
      const [key, value] = this.#entries[reverse ? end - 1 - count : start + count] as DatabaseEntry;
      page.push([key.slice(), value.slice()]);
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
