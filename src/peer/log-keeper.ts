/** Cuts the log of a member where nothing needs it any more. */
import type { Clock } from '../base/clock.ts';
import type { LogIndex } from '../base/ids.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { Raft } from '../raft/raft.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import { Compaction } from './compaction.ts';
import type { AgedCut } from './tail-ages.ts';

/** What a keeper works with. */
export interface LogKeeperParts {
  readonly storage: OpenedStorage;
  readonly raft: Raft;
  readonly clock: Clock;
  readonly limits: Pick<PeerLimits, 'logTailBytes' | 'logTailMs' | 'logHoldBytes'>;
  /** Where the log that was found may be cut, and how old it is there. */
  readonly tail: readonly AgedCut[];
  /** A write of the log failed. */
  readonly failed: (error: unknown) => void;
}

/** See the head of this file. */
export class LogKeeper {
  readonly #parts: LogKeeperParts;
  readonly #compaction: Compaction;

  constructor(parts: LogKeeperParts) {
    this.#parts = parts;
    this.#compaction = new Compaction(parts.limits.logTailBytes, parts.limits.logTailMs);
    const nowMs = parts.clock.monotonicMs();
    for (const { index, ageMs } of parts.tail) this.#compaction.marked(index, nowMs - ageMs);
  }

  /** A mark was applied. */
  marked(index: LogIndex): void {
    this.#compaction.marked(index, this.#parts.clock.monotonicMs());
  }

  /** Lets go of what may go. */
  cut(): void {
    const { storage, raft, clock, limits, failed } = this.#parts;
    if (storage.stateMissing) return;
    const first = this.#compaction.firstIndexToKeep({
      nowMs: clock.monotonicMs(),
      checkpointIndex: storage.state.checkpoint?.index ?? 0,
      followedIndex: this.#followedIndex(),
      holdBytes: limits.logHoldBytes,
      bytesFrom: (index) => storage.log.bytesFrom(index),
    });
    if (first === undefined || first <= storage.log.firstIndex) return;
    // The core hears of it first, so that it asks for nothing that is gone.
    raft.compacted(first);
    storage.log.compact(first).catch(failed);
  }

  /** Followers that answer have the log up to here; one that needs a snapshot gets one from before where the log begins now, at worst. */
  #followedIndex(): LogIndex {
    let followed = Number.MAX_SAFE_INTEGER;
    const { peers, firstIndex } = this.#parts.raft.status();
    for (const { recentlyActive, state, matchIndex } of peers) {
      if (recentlyActive) followed = Math.min(followed, state === 'snapshot' ? firstIndex - 1 : matchIndex);
    }
    return followed;
  }
}
