/** The words that a peer exchanges with those around it: ports below it, proposals, reads, events and status above it. */
import type { Clock, Timers } from '../base/clock.ts';
import type { Crc32, Hash64 } from '../base/hash.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { RoleName } from '../raft/types.ts';
import type { SchedulerLimits } from '../scheduler/limits.ts';
import type { ApplyOutcome, Reply } from '../scheduler/outcome.ts';
import type { Identity, OpenedStorage } from '../storage/storage.ts';
import type { Transport } from '../transport/transport.ts';

/** What a peer is told at its making. */
export interface PeerOptions {
  readonly self: PeerId;
  readonly cluster: ClusterConfig;
  /** Bounds of this peer; `PEER_LIMITS` where absent. */
  readonly limits?: Partial<PeerLimits>;
  /** Limits of the state machine, equal on all peers; `SCHEDULER_LIMITS` where absent. */
  readonly schedulerLimits?: Partial<SchedulerLimits>;
}

/** The world, as a peer sees it. */
export interface PeerPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly crc32: Crc32;
  readonly logger: Logger;
  readonly transport: Transport;
  /** Opens the data directory of this peer, made with a fresh incarnation where there is none. @throws StorageError */
  openStorage(): Promise<OpenedStorage>;
}

/**
 * How urgent a command is. When a batch closes, completions go in before dispatch (attach, verdicts, cancels), and dispatch
 * before submissions: what frees a slot never waits behind what fills it.
 */
export type ProposalLane = 'completion' | 'dispatch' | 'submission';

/** How a proposal ended. */
export type ProposalResult =
  /** In the log on a majority and applied here. `reply` is the state machine's answer, a refusal perhaps. */
  | { readonly type: 'applied'; readonly index: LogIndex; readonly logTimeMs: number; readonly reply: Reply }
  /** Certainly not in the log, and never will be. */
  | { readonly type: 'dropped' }
  /** Leadership ended after it was appended: it may be applied later, or never. */
  | { readonly type: 'unknown' };

/** Called exactly once, never within the call of `propose`. */
export type ProposalDone = (result: ProposalResult) => void;

/** How a linearizable read ended: `ok` when the state, applied up to `appliedIndex`, holds all that was acknowledged before. */
export type ReadResult = 'ok' | 'not-leader';

/** Called exactly once. */
export type ReadDone = (result: ReadResult, appliedIndex: LogIndex) => void;

/** Who leads, as this peer knows. */
export interface Leadership {
  readonly term: Term;
  readonly leader: PeerId | undefined;
  /** This peer leads and has applied the first entry of its term: it can serve. */
  readonly isLeader: boolean;
}

/** What a peer tells those that subscribed, within the event that caused it. */
export interface PeerListener {
  /** One entry was applied while this peer leads and serves. The outcome is the caller's until the next apply. */
  applied(index: LogIndex, outcome: ApplyOutcome): void;
  /** Who leads, or whether this peer serves as leader, has changed. */
  leadership(change: Leadership): void;
  /** The peer stopped for good and serves nothing; called once, with a sentence for the operator. */
  halted(reason: string): void;
}

/** The digest of the state at one mark; equal on all peers that applied it. */
export interface MarkDigest {
  readonly index: LogIndex;
  readonly digest: Hash64;
}

/**
 * Where a peer is in its life.
 *
 *     new → opening → replaying → founding → serving → stopping → stopped
 *              └──────────┴───────────┴──────────┴─▶ halted
 */
export type PeerState = 'new' | 'opening' | 'founding' | 'replaying' | 'serving' | 'stopping' | 'stopped' | 'halted';

/** Something that an operator should look at, though the peer goes on. */
export interface PeerAlarm {
  readonly code: 'CLOCK_OFF' | 'LOG_HELD_BACK';
  /** One sentence that says what is wrong and what to do. */
  readonly message: string;
}

/** How far one other voter is, as the leader knows it. */
export interface VoterStatus {
  readonly peer: PeerId;
  /** Index of the newest entry that is known to be in its log; undefined when this peer does not lead. */
  readonly matchIndex: LogIndex | undefined;
  readonly connected: boolean;
  /** Bytes of log that cannot be dropped here because this voter has not got them yet; undefined when not leader. */
  readonly heldBackBytes: number | undefined;
  /** Its wall clock minus the median of those heard, in ms; undefined when it was not heard lately. */
  readonly clockOffsetMs: number | undefined;
}

/** Everything about a peer that is worth a look. */
export interface PeerStatus {
  readonly self: PeerId;
  readonly state: PeerState;
  /** Why it waits or halted; undefined when nothing is wrong. */
  readonly reason: string | undefined;
  readonly identity: Identity | undefined;
  readonly role: RoleName;
  readonly term: Term;
  readonly leader: PeerId | undefined;
  readonly serving: boolean;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly durableIndex: LogIndex;
  readonly firstIndex: LogIndex;
  readonly checkpointIndex: LogIndex;
  readonly logSizeBytes: number;
  readonly logTimeMs: number;
  /** The newest marks, oldest first, at most 16. */
  readonly marks: readonly MarkDigest[];
  readonly voters: readonly VoterStatus[];
  /** Own wall clock minus the median of those heard, in ms; undefined when fewer than three are heard. */
  readonly clockOffsetMs: number | undefined;
  readonly alarms: readonly PeerAlarm[];
  /** Commands that wait for a batch, and their bytes. */
  readonly queuedCommands: number;
  readonly queuedBytes: number;
}
