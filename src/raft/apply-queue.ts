import { assert } from '../base/assert.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import type { Entry } from './types.ts';

/** Entries that were handed out together. */
interface HandedOut {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
  /** Bytes of those entries that have the term `term`. */
  readonly termBytes: number;
  readonly term: Term;
}

/**
 * Which committed entries the host has been given and which it has applied. Bounded by bytes.
 * Invariant: appliedIndex <= handedIndex <= min(commit index, durable index).
 */
export class ApplyQueue {
  readonly #maxBytes: number;
  #appliedIndex: LogIndex;
  #handedIndex: LogIndex;
  #outstandingBytes = 0;
  #outstanding: HandedOut[] = [];
  /** Entries read from storage, waiting to be handed out next. */
  #fetched: readonly Entry[] = [];

  constructor(applied: LogIndex, maxBytes: number) {
    this.#appliedIndex = applied;
    this.#handedIndex = applied;
    this.#maxBytes = maxBytes;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** The last entry handed out. */
  get handedIndex(): LogIndex {
    return this.#handedIndex;
  }

  /** Data bytes that may still be handed out; at least 1 when nothing is outstanding. */
  get roomBytes(): number {
    return this.#maxBytes - this.#outstandingBytes;
  }

  get fetchedCount(): number {
    return this.#fetched.length;
  }

  /** Keeps entries that were read from storage until they are taken. */
  putFetched(entries: readonly Entry[]): void {
    assert(this.#fetched.length === 0, 'one read for apply at a time');
    assert(entries[0]?.index === this.#handedIndex + 1, 'a read for apply begins where apply is');
    this.#fetched = entries;
  }

  takeFetched(): readonly Entry[] {
    const entries = this.#fetched;
    this.#fetched = [];
    return entries;
  }

  /** `entries` go to the host. `term` is the one whose bytes are counted apart. */
  handOut(entries: readonly Entry[], term: Term): void {
    let bytes = 0;
    let termBytes = 0;
    for (const entry of entries) {
      assert(entry.index === this.#handedIndex + 1, 'entries are applied in order, each once');
      this.#handedIndex = entry.index;
      bytes += entry.data.length;
      if (entry.term === term) termBytes += entry.data.length;
    }
    this.#outstandingBytes += bytes;
    this.#outstanding.push({ lastIndex: this.#handedIndex, bytes, termBytes, term });
  }

  /** The host applied everything up to `index`. Returns the bytes of entries of `term` that this settles. */
  applied(index: LogIndex, term: Term): number {
    assert(index <= this.#handedIndex, 'nothing is applied that was not handed out');
    this.#appliedIndex = Math.max(this.#appliedIndex, index);
    let settled = 0;
    let count = 0;
    for (const part of this.#outstanding) {
      if (part.lastIndex > index) break;
      count += 1;
      this.#outstandingBytes -= part.bytes;
      if (part.term === term) settled += part.termBytes;
    }
    if (count > 0) this.#outstanding.splice(0, count);
    return settled;
  }
}
