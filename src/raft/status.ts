import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Core } from './core.ts';
import type { ProgressState } from './progress.ts';
import type { RoleName } from './types.ts';

/** What a leader knows of one other voter. */
export interface PeerStatus {
  readonly peer: PeerId;
  readonly state: ProgressState;
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
  readonly voters: readonly PeerId[];
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** Every voter holds the log up to here, as last known; nobody compacts beyond it. */
  readonly lowestMatchIndex: LogIndex;
  readonly entriesInMemoryBytes: number;
  /** On the leader: data bytes appended in its term and not applied. */
  readonly uncommittedBytes: number;
  /** On the leader: who is to lead next. */
  readonly transferTo: PeerId | undefined;
  /** On the leader: the other voters in order of their ids; else empty. */
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
    firstIndex: core.log.firstIndex,
    lastIndex: core.log.lastIndex,
    lastTerm: core.log.lastTerm,
    durableIndex: core.persistence.durableIndex,
    commitIndex: core.commitIndex,
    appliedIndex: core.applying.appliedIndex,
    lowestMatchIndex: core.lowestMatchIndex,
    entriesInMemoryBytes: core.log.memoryBytes,
    uncommittedBytes: leader?.uncommittedBytes ?? 0,
    transferTo: leader?.transfer?.to,
    peers: (leader?.peers ?? []).map((progress) => ({
      peer: progress.peer,
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
