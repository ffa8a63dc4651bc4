import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';

interface Read {
  readonly id: number;
  /** The peer that asked, with `id` as the number of its question; `undefined` for a read of the leader's own. */
  readonly from: PeerId | undefined;
  /** Commit index when the read was asked for; `undefined` until the leader committed an entry of its term. */
  index: LogIndex | undefined;
  /** The round that must be answered by a quorum; `undefined` until one begins. */
  round: number | undefined;
}

/** A read whose round a quorum answered. */
export interface ReleasedRead {
  readonly id: number;
  /** As given to `request`. */
  readonly from: PeerId | undefined;
  readonly index: LogIndex;
}

/**
 * Reads of one leadership (ReadIndex, thesis §6.4): each takes the commit index when it is asked, and is released when a
 * quorum answered a round of heartbeats that began afterwards, so no other leader can have committed anything before.
 * Rounds are counted here. Counting by the caller's id would let a repeated id be confirmed by an older round.
 *
 * Invariant: reads with a round come first, in order of their rounds.
 */
export class ReadRounds {
  readonly #maxPending: number;
  #reads: Read[] = [];
  #round = 0;
  #confirmedRound = 0;

  constructor(maxPending: number) {
    this.#maxPending = maxPending;
  }

  /** The newest round begun; 0 before the first. */
  get round(): number {
    return this.#round;
  }

  get pending(): number {
    return this.#reads.length;
  }

  /** False when too many wait. `commitIndex` is `undefined` while no entry of the term is committed. */
  request(id: number, commitIndex: LogIndex | undefined, from?: PeerId): boolean {
    if (this.#reads.length >= this.#maxPending) return false;
    this.#reads.push({ id, from, index: commitIndex, round: undefined });
    return true;
  }

  /** True when this question of `from` waits already: it was put again. */
  knows(id: number, from: PeerId): boolean {
    return this.#reads.some((read) => read.from === from && read.id === id);
  }

  /** The leader committed an entry of its term: reads that waited for it are as of now. */
  committedOwnTerm(commitIndex: LogIndex): void {
    for (const read of this.#reads) read.index ??= commitIndex;
  }

  /** True when reads wait for a round to begin. */
  get waiting(): boolean {
    const last = this.#reads.at(-1);
    return last !== undefined && last.round === undefined && last.index !== undefined;
  }

  /** True when every round begun has been answered. */
  get settled(): boolean {
    return this.#confirmedRound === this.#round;
  }

  /** Begins a round for all reads that wait. */
  begin(): number {
    assert(this.waiting, 'a round begins for somebody');
    this.#round += 1;
    for (let at = this.#reads.length - 1; at >= 0; at -= 1) {
      const read = this.#reads[at] as Read;
      if (read.round !== undefined) break;
      read.round = this.#round;
    }
    return this.#round;
  }

  /** A quorum answered every round up to `round`. Returns the reads that this releases. */
  confirmed(round: number): ReleasedRead[] {
    assert(round <= this.#round, 'nobody answers a round that has not begun');
    if (round <= this.#confirmedRound) return [];
    this.#confirmedRound = round;
    let count = 0;
    while (count < this.#reads.length && ((this.#reads[count] as Read).round ?? Number.POSITIVE_INFINITY) <= round)
      count += 1;
    return this.#reads.splice(0, count).map((read) => {
      assert(read.index !== undefined, 'a read gets its index before its round');
      return { id: read.id, from: read.from, index: read.index };
    });
  }

  /** Gives up every read and returns the ids of the leader's own; who asked from elsewhere sees that the leader changed. */
  abandon(): number[] {
    const ids = this.#reads.filter((read) => read.from === undefined).map((read) => read.id);
    this.#reads = [];
    return ids;
  }
}
