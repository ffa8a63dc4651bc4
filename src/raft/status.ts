import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Core } from './core.ts';
import type { ProgressState } from './progress.ts';
import type { RoleName } from './types.ts';

/** What a leader knows of one other member. */
export interface PeerStatus {
  readonly peer: PeerId;
  /** False for a learner. */
  readonly votes: boolean;
  /** `snapshot`: it needs a checkpoint, and the log from there on. */
  readonly state: ProgressState;
  /** It said that it is not whole. */
  readonly damaged: boolean;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  /** Heard within one election timeout. */
  readonly recentlyActive: boolean;
  /** Ticks since it was heard. */
  readonly silentTicks: number;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
}

/** One peer at one moment, for operators, metrics and the compaction of the log. */
export interface RaftStatus {
  readonly self: PeerId;
  readonly role: RoleName;
  readonly term: Term;
  readonly votedFor: PeerId | undefined;
  readonly leader: PeerId | undefined;
  /** Of the configuration in force. */
  readonly voters: readonly PeerId[];
  readonly learners: readonly PeerId[];
  /** The entry that made it; 0 for the founding one. It is committed when the commit index reaches it. */
  readonly configurationIndex: LogIndex;
  /** Entries were lost to damage and are not all back. */
  readonly damaged: boolean;
  /** There is no state to apply to in this run. */
  readonly stateMissing: boolean;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly entriesInMemoryBytes: number;
  /** On the leader: data bytes appended in its term and not applied. */
  readonly uncommittedBytes: number;
  /** On the leader: who is to lead next. */
  readonly transferTo: PeerId | undefined;
  /** On the leader: the other members in order of their ids; else empty. */
  readonly peers: readonly PeerStatus[];
}

/** The status of `core` now. */
export function statusOf(core: Core): RaftStatus {
  const leader = core.role.name === 'leader' ? core.role : undefined;
  return {
    self: core.self,
    role: core.role.name,
    term: core.term,
    votedFor: core.hardState.votedFor,
    leader: core.leader,
    voters: core.configuration.voters,
    learners: core.configuration.learners,
    configurationIndex: core.configuration.index,
    damaged: core.damage !== undefined,
    stateMissing: core.stateMissing,
    firstIndex: core.log.firstIndex,
    lastIndex: core.log.lastIndex,
    lastTerm: core.log.lastTerm,
    durableIndex: core.persistence.durableIndex,
    commitIndex: core.commitIndex,
    appliedIndex: core.applying.appliedIndex,
    entriesInMemoryBytes: core.log.memoryBytes,
    uncommittedBytes: leader?.uncommittedBytes ?? 0,
    transferTo: leader?.transfer?.to,
    peers: (leader?.peers ?? []).map((progress) => ({
      peer: progress.peer,
      votes: progress.votes,
      damaged: progress.damaged,
      state: progress.state,
      matchIndex: progress.match,
      nextIndex: progress.next,
      recentlyActive: progress.silentTicks < core.options.electionTimeoutTicks,
      silentTicks: progress.silentTicks,
      inflightMessages: progress.inflight.count,
      inflightBytes: progress.inflight.totalBytes,
    })),
  };
}
