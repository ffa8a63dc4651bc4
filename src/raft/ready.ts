import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Configuration } from './configuration.ts';
import type { Message } from './message.ts';
import type { Entry, HardState, RoleName } from './types.ts';

/** Names a persist batch; the host gives it back to `persisted` unchanged. */
export interface PersistAck {
  /** Counts the batches of one run of the core. */
  readonly sequence: number;
  /** Term when the batch was made, and the last entry of the log that is durable with it. */
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/**
 * What the host writes as one atomic, synced batch: the hard state, then the log cut from `truncateFrom` on, then
 * `entries` behind it, bounded in number and bytes. At least one of the three is there. One batch is in flight at a time.
 */
export interface PersistBatch {
  readonly hardState: HardState | undefined;
  /** Entries with this index and later are to go. */
  readonly truncateFrom: LogIndex | undefined;
  readonly entries: readonly Entry[];
  /**
   * Promises that this batch keeps: sent after it is durable, never before, and not at all when it fails. Look at them then, not
   * earlier: a term that changes meanwhile takes them out.
   */
  readonly messages: readonly Message[];
  readonly ack: PersistAck;
}

/** Entries the core wants back from storage, for a follower far behind or to apply after a start. One at a time. */
export interface FetchRequest {
  readonly sequence: number;
  readonly from: LogIndex;
  /** Inclusive. Fewer may be answered, at least one. */
  readonly to: LogIndex;
  /** A bound on the sum of data bytes, which the first entry may exceed. */
  readonly maxBytes: number;
  /** The follower they are for; `undefined` when they are to be applied here. */
  readonly forPeer: PeerId | undefined;
}

/** A read that may be served from any state at `index` or later. */
export interface ReadState {
  /** As given to `requestRead`. */
  readonly id: number;
  readonly index: LogIndex;
}

/** Who leads, as this peer sees it. */
export interface Leadership {
  readonly role: RoleName;
  readonly term: Term;
  readonly leader: PeerId | undefined;
}

/**
 * What the host is to do, each thing handed out exactly once. The parts do not wait for each other: messages go out at
 * once, also while the batch of the same `Ready` is being written.
 */
export interface Ready {
  /** To send now, in any order; losing one is allowed. */
  readonly messages: readonly Message[];
  /** To write; `undefined` also while an earlier batch is not acknowledged. */
  readonly persist: PersistBatch | undefined;
  /** To apply, in order: committed, and durable here. Acknowledged by `applied`. */
  readonly committed: readonly Entry[];
  /** To read from storage and answer by `fetched`. */
  readonly fetch: FetchRequest | undefined;
  /** Reads that were confirmed by a round of heartbeats, of this leader or of the one that was asked. */
  readonly reads: readonly ReadState[];
  /** Reads that were given up, because the leader changed or did not answer. Nothing is known about them. */
  readonly readsLost: readonly number[];
  /** The news when role, term or leader changed since the last `Ready`. */
  readonly leadership: Leadership | undefined;
  /** The configuration in force, when that changed since the last `Ready`: an entry of it came into the log, or was cut. */
  readonly configuration: Configuration | undefined;
  /** This peer needs a state that it cannot make from the log. Said again at each heartbeat until it is so no more. */
  readonly snapshotNeeded: SnapshotNeed | undefined;
  /** What damage took is there again, durably, and this peer is whole: the record of the damage can go. Said once. */
  readonly healed: boolean;
}

/**
 * A peer that must install a checkpoint before the leader can go on with it. Any peer may give it; after the installation the host
 * makes a new core from what is on its disk then.
 */
export interface SnapshotNeed {
  /** The leader, which knows. */
  readonly from: PeerId;
  /** The state must hold every entry up to here, at least. */
  readonly atLeast: LogIndex;
}
