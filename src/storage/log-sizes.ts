import { assert } from '../base/assert.ts';
import type { LogIndex } from '../base/ids.ts';

/** Sums of sizes are kept for one entry in about this many bytes of log: 1 MiB. */
export const SIZE_MARK_BYTES: number = 1024 * 1024;

interface Mark {
  readonly index: LogIndex;
  /** Bytes of all entries before `index`, from an arbitrary start. */
  readonly bytesBefore: number;
}

/**
 * How many bytes of log lie behind an index, without a number for each entry: a log held back by a peer that is down may
 * have millions. Answers are exact or too large by less than one mark's distance and one entry.
 */
export class LogSizes {
  /** Ascending in both fields; never empty. The first stands at or before the first entry. */
  #marks: Mark[];
  #bytesTotal = 0;

  /** @param firstIndex The entry that the next `add` is for. */
  constructor(firstIndex: LogIndex) {
    this.#marks = [{ index: firstIndex, bytesBefore: 0 }];
  }

  /** Counts the next entry. */
  add(index: LogIndex, sizeBytes: number): void {
    const last = this.#marks.at(-1) as Mark;
    assert(index >= last.index, 'entries are counted in order');
    if (this.#bytesTotal - last.bytesBefore >= SIZE_MARK_BYTES) {
      this.#marks.push({ index, bytesBefore: this.#bytesTotal });
    }
    this.#bytesTotal += sizeBytes;
  }

  /** Takes back the entries from `index` on, which had `sizeBytes` together. */
  truncate(index: LogIndex, sizeBytes: number): void {
    this.#bytesTotal -= sizeBytes;
    const kept = this.#marks.filter((mark) => mark.index < index);
    this.#marks = kept.length > 0 ? kept : [{ index, bytesBefore: this.#bytesTotal }];
    assert(this.#bytesTotal >= (this.#marks.at(-1) as Mark).bytesBefore, 'no more is taken back than was counted');
  }

  /** Forgets what lies before `firstIndex`. */
  compact(firstIndex: LogIndex): void {
    this.#marks = this.#marks.slice(this.#markOf(firstIndex));
  }

  /** Bytes of the entries from `index` on, see the class. */
  bytesFrom(index: LogIndex): number {
    const mark = this.#marks[this.#markOf(index)] as Mark;
    return this.#bytesTotal - mark.bytesBefore;
  }

  /** The place of the last mark at or before `index`, else of the first. */
  #markOf(index: LogIndex): number {
    let low = 0;
    let high = this.#marks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#marks[middle] as Mark).index <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
