import type { LogIndex, PeerId, Term } from '../base/ids.ts';

/** What an entry of the log is for. The numbers are part of the record and wire formats; an unknown one is refused by whoever decodes it. */
export const EntryKind = { noop: 0, command: 1, configuration: 2, feature: 3 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** Length of the data of a `feature` entry: the level as an unsigned little-endian integer. */
export const FEATURE_BYTES = 4;

/** One entry of the replicated log (Raft §5.3). Immutable, and shared by log, messages and batches without a copy. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  /**
   * `noop` is the empty entry by which a leader opens its term; `command` carries what was proposed; `configuration` the members
   * from here on, as `encodeMembers` writes them; `feature` the level, in four bytes, from which every voter understands what follows.
   */
  readonly kind: EntryKind;
  /** Opaque to Raft, but for members. Often a view into the frame it came in; nobody writes to it. */
  readonly data: Uint8Array;
}

/**
 * What must survive a crash beside the log (Raft figure 2). The commit index is not in it: a peer that starts again knows
 * only what it had applied, and learns the rest from the next leader.
 */
export interface HardState {
  readonly term: Term;
  /** The candidate that got this peer's vote in `term`. */
  readonly votedFor: PeerId | undefined;
}

/** From `index` on, up to the next run or the end of the log, every entry has `term`. */
export interface TermRun {
  readonly index: LogIndex;
  readonly term: Term;
}

/** A configuration as the disk has it. */
export interface ConfigurationRecord {
  /** The entry that it came with; 0 for the one that the cluster was founded with. */
  readonly index: LogIndex;
  /** As `encodeMembers` writes it. */
  readonly data: Uint8Array;
}

/**
 * The end of a log as a peer had recorded it, before damage made it shorter. What is gone may have been acknowledged, and then an
 * acknowledgement of it may be what made it committed.
 */
export interface Damage {
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** What a peer finds on its disk when it starts. */
export interface RaftRestored {
  readonly hardState: HardState;
  /** First index that the log on disk still holds; `lastIndex + 1` for an empty log. */
  readonly firstIndex: LogIndex;
  /** Last index on disk; `firstIndex - 1` for an empty log. All of it is durable. */
  readonly lastIndex: LogIndex;
  /** Term of the entry at `firstIndex - 1`; 0 when `firstIndex` is 1. */
  readonly prevTerm: Term;
  /** One run for each distinct term in the log, ascending, so that every term is known without a read. */
  readonly termRuns: readonly TermRun[];
  /** The newest entries, contiguous up to `lastIndex`, as many as the memory budget holds; may be empty. */
  readonly entries: readonly Entry[];
  /** Last index whose effect the loaded state holds. */
  readonly applied: LogIndex;
  /** Highest index known to be committed, at least `applied`. */
  readonly commit: LogIndex;
  /**
   * The configuration in force at the checkpoint, or where the log begins, then every one that the log holds behind it, ascending.
   * The first may be without members: that of a peer that is to join and knows nothing yet. One with index 0 may be a guess.
   */
  readonly configurations: readonly ConfigurationRecord[];
  /** Set when damage cut the log, until the core said `healed` and the host made that durable. */
  readonly damage?: Damage | undefined;
  /** The log is whole and the state is lost, and the log no longer begins at 1: this run applies nothing and leads nothing. */
  readonly stateMissing?: true | undefined;
}

/** A peer that starts for the first time, in a cluster founded with the given configuration. */
export const RAFT_FRESH: Omit<RaftRestored, 'configurations'> = {
  hardState: { term: 0, votedFor: undefined },
  firstIndex: 1,
  lastIndex: 0,
  prevTerm: 0,
  termRuns: [],
  entries: [],
  applied: 0,
  commit: 0,
};

/** What a peer is at the moment. A pre-candidate asks whether it could win, and disturbs nobody (thesis §9.6). */
export type RoleName = 'follower' | 'pre-candidate' | 'candidate' | 'leader';
