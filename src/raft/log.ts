import { assert } from '../base/assert.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import type { Entry, RaftRestored, TermRun } from './types.ts';

/** What an entry costs in memory beside its data: the object, its view and the slot. */
const ENTRY_OVERHEAD_BYTES = 128;

/** A position and the term there; term 0 stands for "unknown". */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * The log as the core knows it: the term of every entry from `firstIndex - 1` on, and the newest entries themselves.
 * Terms are kept as runs, one for each leader that left entries, so old entries can leave memory while their terms stay.
 *
 * Invariants: firstIndex <= memoryFirst <= lastIndex + 1; indices contiguous; terms never fall from one index to the next.
 */
export class RaftLog {
  #firstIndex: LogIndex;
  #lastIndex: LogIndex;
  #prevTerm: Term;
  /** Ascending in index and term; the first begins at or before `#firstIndex`; empty exactly when the log is. */
  #runs: TermRun[];
  /** Slots before `#head` are empty; the entry at `#head` has index `#memoryFirst`. */
  #entries: (Entry | undefined)[];
  #head = 0;
  #memoryFirst: LogIndex;
  #memoryBytes = 0;

  constructor(restored: Omit<RaftRestored, 'configurations'>) {
    const { firstIndex, lastIndex, entries } = restored;
    assert(firstIndex >= 1 && lastIndex >= firstIndex - 1, 'a restored log has a first and a last index');
    assert(restored.termRuns.length > 0 === lastIndex >= firstIndex, 'a restored log knows its terms');
    this.#firstIndex = firstIndex;
    this.#lastIndex = lastIndex;
    this.#prevTerm = restored.prevTerm;
    this.#runs = [...restored.termRuns];
    this.#entries = [...entries];
    this.#memoryFirst = lastIndex + 1 - entries.length;
    assert(this.#memoryFirst >= firstIndex, 'no entry in memory is older than the log');
    for (const [at, entry] of entries.entries()) {
      assert(entry.index === this.#memoryFirst + at, 'restored entries are contiguous up to the last index');
      assert(entry.term === this.term(entry.index), 'restored entries and term runs agree');
      this.#memoryBytes += memoryBytesOf(entry);
    }
  }

  /** First index that is not compacted. */
  get firstIndex(): LogIndex {
    return this.#firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    const last = this.#runs.at(-1);
    return last === undefined ? this.#prevTerm : last.term;
  }

  /** First index whose entry is in memory. */
  get memoryFirst(): LogIndex {
    return this.#memoryFirst;
  }

  /** Memory that entries take, data and overhead. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Distinct terms known; for tests and checks. */
  get termRuns(): readonly TermRun[] {
    return this.#runs;
  }

  /** The term at `index`, which lies in [firstIndex - 1, lastIndex]. */
  term(index: LogIndex): Term {
    assert(index >= this.#firstIndex - 1 && index <= this.#lastIndex, () => `the term at ${index} is known`);
    if (index === this.#firstIndex - 1) return this.#prevTerm;
    return (this.#runs[this.#runAt(index)] as TermRun).term;
  }

  /** True when the log has an entry of `term` at `index`, or was compacted right behind one. */
  matches(index: LogIndex, term: Term): boolean {
    if (index < this.#firstIndex - 1 || index > this.#lastIndex) return false;
    return this.term(index) === term;
  }

  /** The entry at `index`, which must be in memory. */
  entry(index: LogIndex): Entry {
    const entry = this.#entries[this.#head + index - this.#memoryFirst];
    assert(entry !== undefined && entry.index === index, () => `entry ${index} is in memory`);
    return entry;
  }

  /** Entries from `from` to `to`, both in memory, as many as fit `maxBytes` of data and at least one. */
  slice(from: LogIndex, to: LogIndex, maxBytes: number): Entry[] {
    assert(from >= this.#memoryFirst && to <= this.#lastIndex && from <= to, 'a slice lies in memory');
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index += 1) {
      const entry = this.entry(index);
      bytes += entry.data.length;
      if (bytes > maxBytes && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Puts `entry` behind the last one. */
  append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, () => `entry ${entry.index} follows ${this.#lastIndex}`);
    assert(entry.term >= this.lastTerm && entry.term > 0, 'terms never fall along the log');
    if (this.#runs.length === 0 || entry.term !== this.lastTerm) {
      this.#runs.push({ index: entry.index, term: entry.term });
    }
    this.#entries.push(entry);
    this.#lastIndex = entry.index;
    this.#memoryBytes += memoryBytesOf(entry);
  }

  /** Takes away every entry from `index` on. */
  truncateFrom(index: LogIndex): void {
    assert(index >= this.#firstIndex && index <= this.#lastIndex, 'a truncation lies within the log');
    if (index < this.#memoryFirst) {
      this.#entries.length = 0;
      this.#head = 0;
      this.#memoryFirst = index;
      this.#memoryBytes = 0;
    } else {
      for (let at = index; at <= this.#lastIndex; at += 1) this.#memoryBytes -= memoryBytesOf(this.entry(at));
      this.#entries.length = this.#head + index - this.#memoryFirst;
    }
    while (this.#runs.length > 0 && (this.#runs.at(-1) as TermRun).index >= index) this.#runs.pop();
    this.#lastIndex = index - 1;
    if (this.#lastIndex < this.#firstIndex) this.#runs.length = 0;
  }

  /** Lets the oldest entries go from memory, none after `lastDurable`, until at most `budgetBytes` are held. */
  evict(budgetBytes: number, lastDurable: LogIndex): void {
    while (this.#memoryBytes > budgetBytes && this.#memoryFirst <= lastDurable) this.#dropOldest();
    // The empty slots go in one move once they are the larger part, which costs a constant an entry.
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Forgets everything before `firstIndex`: storage no longer has it. */
  compactTo(firstIndex: LogIndex): void {
    if (firstIndex <= this.#firstIndex) return;
    assert(firstIndex <= this.#lastIndex + 1, 'a compaction leaves the end of the log');
    this.#prevTerm = this.term(firstIndex - 1);
    while (this.#memoryFirst < firstIndex && this.#memoryFirst <= this.#lastIndex) this.#dropOldest();
    if (firstIndex > this.#lastIndex) {
      this.#runs = [];
    } else {
      this.#runs = this.#runs.slice(this.#runAt(firstIndex));
    }
    this.#firstIndex = firstIndex;
  }

  /**
   * The largest position at or before `index` whose term is at most `term`: where two logs can still agree. One step a
   * distinct term, which bounds the probes after a leader change by the number of terms (Raft §5.3, last paragraphs).
   */
  lastAtMost(index: LogIndex, term: Term): LogPosition {
    let at = Math.min(index, this.#lastIndex);
    while (at >= this.#firstIndex) {
      const run = this.#runs[this.#runAt(at)] as TermRun;
      if (run.term <= term) return { index: at, term: run.term };
      at = Math.max(run.index, this.#firstIndex) - 1;
    }
    at = Math.max(0, at);
    return { index: at, term: at === this.#firstIndex - 1 && this.#prevTerm <= term ? this.#prevTerm : 0 };
  }

  #dropOldest(): void {
    this.#memoryBytes -= memoryBytesOf(this.entry(this.#memoryFirst));
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    this.#memoryFirst += 1;
  }

  /** The run that covers `index`, which lies in [firstIndex, lastIndex]. Nearly always the last one. */
  #runAt(index: LogIndex): number {
    let low = 0;
    let high = this.#runs.length - 1;
    if (index >= (this.#runs[high] as TermRun).index) return high;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#runs[middle] as TermRun).index <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** The memory that `entry` takes, data and overhead. */
export function memoryBytesOf(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}
