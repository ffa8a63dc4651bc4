import type { LogIndex, PeerId, Term } from '../base/ids.ts';

/**
 * What an entry of the log is for. The numbers are part of the record and wire formats; 2 is kept for a change of the
 * configuration, and an unknown number is refused by whoever decodes it.
 */
export const EntryKind = { noop: 0, command: 1 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** One entry of the replicated log (Raft §5.3). Immutable, and shared by log, messages and batches without a copy. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  /** `noop` is the empty entry by which a leader opens its term; `command` carries what was proposed. */
  readonly kind: EntryKind;
  /** Opaque to Raft. Often a view into the frame it came in; nobody writes to it. */
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
  /** Highest index that every voter was once known to hold; 0 when never heard. */
  readonly lowestMatchIndex: LogIndex;
}

/** A peer that starts for the first time. */
export const RAFT_FRESH: RaftRestored = {
  hardState: { term: 0, votedFor: undefined },
  firstIndex: 1,
  lastIndex: 0,
  prevTerm: 0,
  termRuns: [],
  entries: [],
  applied: 0,
  commit: 0,
  lowestMatchIndex: 0,
};

/** What a peer is at the moment. A pre-candidate asks whether it could win, and disturbs nobody (thesis §9.6). */
export type RoleName = 'follower' | 'pre-candidate' | 'candidate' | 'leader';
