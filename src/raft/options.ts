import type { PeerId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';

/** How the core behaves. A tick is whatever the host makes it; the product's is 10 ms. */
export interface RaftOptions {
  readonly self: PeerId;
  /**
   * True when a member with the id of this peer and this `info` is this very peer, and not one that had the id before on another
   * disk. A peer that replaced another one meets old configurations, in the log or with a checkpoint, in which its id votes, perhaps
   * alone: it must not take that for itself. Pure, and the same for the same bytes.
   */
  readonly isSelf: (info: Uint8Array) => boolean;
  /**
   * A follower that hears no leader for a random time in [this, twice this) stands for election; a leader that hears no
   * quorum for this long steps down. 4 and more; default 50.
   */
  readonly electionTimeoutTicks: number;
  /** Between two heartbeats. At least 1 and at most a third of the election timeout, or one lost heartbeat deposes a leader. Default 5. */
  readonly heartbeatIntervalTicks: number;
  /** After the leader's process was seen to be gone, a follower waits a random time in [0, this]. 0 and more; default 3. */
  readonly earlyElectionTicks: number;
  /** A leader whose write takes this long steps down: it can commit, but applies nothing. Over the election timeout; default 200. */
  readonly persistTimeoutTicks: number;
  /**
   * A leader that hears a quorum, and of whose appends none has got a quorum any further for this long, steps down: whatever it is that
   * lets heartbeats through and no entries may not be there between others. Over `persistTimeoutTicks`; default 1,000.
   */
  readonly progressTimeoutTicks: number;
  /** Data bytes in one `AppendEntries`, which a single entry may exceed. Default 1 MiB. */
  readonly maxAppendBytes: number;
  /** `AppendEntries` with entries on the way to one follower. 1 and more; default 256. */
  readonly maxInflightMessages: number;
  /** Their data bytes; the last message may exceed it. At least `maxAppendBytes`; default 16 MiB. */
  readonly maxInflightBytes: number;
  /** Data bytes that a leader appended and has not applied; beyond, proposals are refused. Default 64 MiB. */
  readonly maxUncommittedBytes: number;
  /** Entries kept in memory for followers; entries not yet durable stay whatever this says. Default 64 MiB. */
  readonly maxEntriesInMemoryBytes: number;
  /** Entries in one write to the disk, so that a follower that is brought up to date does not hold its host. Default 1,024. */
  readonly maxPersistEntries: number;
  /** Data bytes handed out to apply and not acknowledged; the last entry may go over. Default 8 MiB. */
  readonly maxApplyBytes: number;
  /** Reads waiting for a round. Default 10,000. */
  readonly maxPendingReads: number;
  /** For election timeouts, and for the numbers of reads that are asked of a leader. */
  readonly random: Random;
}

/** Every default that is documented at `RaftOptions`. */
export const RAFT_DEFAULTS: Omit<RaftOptions, 'self' | 'isSelf' | 'random'> = {
  electionTimeoutTicks: 50,
  heartbeatIntervalTicks: 5,
  earlyElectionTicks: 3,
  persistTimeoutTicks: 200,
  progressTimeoutTicks: 1_000,
  maxAppendBytes: 1024 * 1024,
  maxInflightMessages: 256,
  maxInflightBytes: 16 * 1024 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
  maxEntriesInMemoryBytes: 64 * 1024 * 1024,
  maxPersistEntries: 1_024,
  maxApplyBytes: 8 * 1024 * 1024,
  maxPendingReads: 10_000,
};

/** Lowest value of each numeric option. */
const LEAST: Record<keyof typeof RAFT_DEFAULTS, number> = {
  electionTimeoutTicks: 4,
  heartbeatIntervalTicks: 1,
  earlyElectionTicks: 0,
  persistTimeoutTicks: 1,
  progressTimeoutTicks: 1,
  maxAppendBytes: 1,
  maxInflightMessages: 1,
  maxInflightBytes: 1,
  maxUncommittedBytes: 1,
  maxEntriesInMemoryBytes: 0,
  maxPersistEntries: 1,
  maxApplyBytes: 1,
  maxPendingReads: 1,
};

/** All that is wrong with `options`, a sentence each; empty when they are good. */
export function validateRaftOptions(options: RaftOptions): string[] {
  const problems: string[] = [];
  for (const name of Object.keys(LEAST) as (keyof typeof LEAST)[]) {
    const value = options[name];
    if (!Number.isSafeInteger(value) || value < LEAST[name]) {
      problems.push(`${name} is ${value}; it must be an integer of at least ${LEAST[name]}.`);
    }
  }
  if (options.heartbeatIntervalTicks * 3 > options.electionTimeoutTicks) {
    problems.push(
      'heartbeatIntervalTicks must be at most a third of electionTimeoutTicks, so that one lost heartbeat deposes nobody.',
    );
  }
  if (options.persistTimeoutTicks <= options.electionTimeoutTicks) {
    problems.push(
      'persistTimeoutTicks must be over electionTimeoutTicks, so that a slow write is not taken for a dead disk.',
    );
  }
  if (options.progressTimeoutTicks <= options.persistTimeoutTicks) {
    problems.push(
      'progressTimeoutTicks must be over persistTimeoutTicks, so that the slow disks of followers are not taken for dead links.',
    );
  }
  if (options.maxInflightBytes < options.maxAppendBytes) {
    problems.push('maxInflightBytes must be at least maxAppendBytes, so that one message fits the window.');
  }
  return problems;
}
