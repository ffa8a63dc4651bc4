import type { PeerId } from '../base/ids.ts';

/**
 * How lately a leader heard a quorum. Consensus itself steps down when it hears none for an election timeout; that is found
 * out at intervals, and whoever promises something on the word of the leader asks here what holds right now.
 */
export class QuorumAge {
  readonly #self: PeerId;
  /** Monotonic instants at which each other peer was last heard. */
  readonly #heardAtMs = new Map<PeerId, number>();

  constructor(self: PeerId) {
    this.#self = self;
  }

  /** Any message of `peer` in the present term arrived. */
  heard(peer: PeerId, nowMs: number): void {
    this.#heardAtMs.set(peer, nowMs);
  }

  /** What was heard before counts no more: a term of ours begins. */
  reset(): void {
    this.#heardAtMs.clear();
  }

  /** Milliseconds since a majority of `voters`, this peer among them, was last known to be in touch; 0 for a lone voter. */
  ageMs(voters: readonly PeerId[], nowMs: number): number {
    const ages = voters.map((voter) => {
      if (voter === this.#self) return 0;
      const atMs = this.#heardAtMs.get(voter);
      return atMs === undefined ? Infinity : nowMs - atMs;
    });
    ages.sort((left, right) => left - right);
    return ages[voters.length >> 1] ?? Infinity;
  }
}
