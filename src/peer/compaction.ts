/**
 * How much of the log may go.
 *
 * Bounded by what is needed: the log behind the newest checkpoint, to start from. What is not needed is kept for a while all the
 * same, so that a peer that restarts finds its place without a snapshot: a tail of at most so many bytes and at most so many
 * minutes. What a follower that is connected is about to get is kept beyond that, up to a bound of its own: dropping it under its
 * hands would only make it begin again.
 *
 * Pure. Indexes come from the marks, so that the log is cut at few places; the distance between two is a second under load.
 */
import { assert } from '../base/assert.ts';
import type { LogIndex } from '../base/ids.ts';

/** A place where the log may be cut, and the monotonic instant at which it was applied. */
interface Cut {
  readonly index: LogIndex;
  readonly atMs: number;
}

/** Most places remembered; beyond, every second one is forgotten. */
const CUTS_MAX = 2_048;

/** What bounds a cut at the moment. */
export interface CutBounds {
  readonly nowMs: number;
  /** The newest durable checkpoint. */
  readonly checkpointIndex: LogIndex;
  /** Followers that are connected have the log up to here; what is behind is kept as long as it is not too much. */
  readonly followedIndex: LogIndex;
  /** How much is kept for them at most, in bytes. */
  readonly holdBytes: number;
  /** Bytes of the log from an index on. */
  readonly bytesFrom: (index: LogIndex) => number;
}

/** See the head of this file. */
export class Compaction {
  readonly #tailBytes: number;
  readonly #tailMs: number;
  /** Ascending in both. */
  #cuts: Cut[] = [];

  constructor(tailBytes: number, tailMs: number) {
    assert(tailBytes >= 0 && tailMs >= 0, 'a tail is not negative');
    this.#tailBytes = tailBytes;
    this.#tailMs = tailMs;
  }

  /** A mark was applied, or a place in the log that was found at the start is as old as that. */
  marked(index: LogIndex, nowMs: number): void {
    const last = this.#cuts.at(-1);
    assert(last === undefined || last.index < index, 'marks come in order');
    this.#cuts.push({ index, atMs: nowMs });
    if (this.#cuts.length > CUTS_MAX) this.#cuts = this.#cuts.filter((_, at) => at % 2 === 1);
  }

  /** The first index that stays, or undefined when nothing is to go. Forgets the places before it. */
  firstIndexToKeep(bounds: CutBounds): LogIndex | undefined {
    let count = 0;
    for (const cut of this.#cuts) {
      if (cut.index > bounds.checkpointIndex) break;
      if (cut.index > bounds.followedIndex && bounds.bytesFrom(cut.index + 1) < bounds.holdBytes) break;
      const old = bounds.nowMs - cut.atMs >= this.#tailMs;
      if (!old && bounds.bytesFrom(cut.index + 1) < this.#tailBytes) break;
      count += 1;
    }
    if (count === 0) return undefined;
    const cut = this.#cuts[count - 1] as Cut;
    this.#cuts.splice(0, count);
    return cut.index + 1;
  }
}
