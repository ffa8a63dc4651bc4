/** The words that a peer exchanges with those around it: ports below it, proposals, reads, events and status above it. */
import type { Clock, Timers } from '../base/clock.ts';
import type { Crc32, Hash64 } from '../base/hash.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Address, ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { ProgressState } from '../raft/progress.ts';
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
  | { readonly type: 'unknown' }
  /** Certainly not in the log: a disk that is needed for a majority has no room. Only for submissions. */
  | { readonly type: 'no-space' };

/** Called exactly once, never within the call of `propose`. */
export type ProposalDone = (result: ProposalResult) => void;

/** How a linearizable read ended: `ok` when the state, applied up to `appliedIndex`, holds all that was acknowledged before. */
export type ReadResult = 'ok' | 'not-leader';

/** Called exactly once. */
export type ReadDone = (result: ReadResult, appliedIndex: LogIndex) => void;

/** A change of who belongs to the cluster. One is under way at a time; each is one entry of the log. */
export type MembershipChange =
  /**
   * Takes in a peer that waits to join, as one that does not vote yet, with the incarnation and the addresses that it told. With
   * `incarnation` it must be this very one.
   */
  | { readonly type: 'add'; readonly peer: PeerId; readonly incarnation?: string }
  /** Gives a vote to a member that has caught up. */
  | { readonly type: 'promote'; readonly peer: PeerId }
  | { readonly type: 'remove'; readonly peer: PeerId };

/** Why the consensus core takes no change. */
type ChangeRefusal =
  | 'not-leader'
  | 'transferring'
  | 'change-pending'
  | 'term-not-open'
  | 'already-member'
  | 'unknown-peer'
  | 'already-votes'
  | 'not-caught-up'
  | 'last-voter'
  | 'too-many-members'
  | 'uncommitted-limit';

/**
 * Why a change of membership was not begun. Those of the consensus core, and: `not-heard`, no peer of that name (and incarnation)
 * waits to join at this peer; `feature-off`, a voter runs a version that does not know such changes, or was not heard yet.
 */
export type MembershipRefusal = ChangeRefusal | 'not-heard' | 'feature-off';

/** How a change of membership ended. */
export type MembershipResult =
  /** Committed, and in force here. */
  | { readonly type: 'done'; readonly index: LogIndex }
  /** Nothing was changed. `leader` is whom to ask, as far as known. */
  | { readonly type: 'refused'; readonly reason: MembershipRefusal; readonly leader: PeerId | undefined }
  /** Leadership ended meanwhile: it may be in force, or come into force, or never. Look before asking again. */
  | { readonly type: 'unknown' };

/** How a wish to hand leadership over ended. */
export type TransferOutcome =
  | { readonly type: 'done'; readonly leader: PeerId }
  /** `damaged`: what it lost is not whole again yet. `timeout`: it did not take over within an election timeout; this peer leads on. */
  | {
      readonly type: 'refused';
      readonly reason: 'not-leader' | 'self' | 'unknown-peer' | 'learner' | 'damaged' | 'no-successor' | 'timeout';
      readonly leader: PeerId | undefined;
    };

/** Where a peer is reached. */
export interface PeerAddresses {
  readonly peer: Address;
  readonly client: Address;
}

/** One member as the configuration in force here has it, with what is known of it. */
export interface MemberStatus {
  readonly peer: PeerId;
  readonly votes: boolean;
  /** 32 hexadecimal digits; undefined when this founder was never heard. */
  readonly incarnation: string | undefined;
  /** Undefined when neither the log nor the own file tells. */
  readonly addresses: PeerAddresses | undefined;
  /** How the leader sends to it: `probe`, `replicate`, or `snapshot` while it is too far behind for the log; undefined elsewhere. */
  readonly state: ProgressState | undefined;
  /** Newest entry that is known to be in its log; undefined when this peer does not lead. */
  readonly matchIndex: LogIndex | undefined;
  /** True for this peer itself. */
  readonly connected: boolean;
  /** It found damage on its disk and is being repaired, as it last said. */
  readonly damaged: boolean;
  /** Its disk is low on space, as it last said. */
  readonly spaceLow: boolean;
}

/** A peer that is connected, no member, and could be added. */
export interface JoiningPeer {
  readonly peer: PeerId;
  readonly incarnation: string;
  readonly addresses: PeerAddresses;
  /** A member has the same name: another data directory of it, which must be removed before this one is added. */
  readonly replaces: boolean;
}

/** Who belongs to the cluster, as this peer knows. */
export interface Membership {
  /** Position of the entry that put it into force; 0 for the founders. */
  readonly index: LogIndex;
  /** True when that entry is committed. */
  readonly committed: boolean;
  /** By id. */
  readonly members: readonly MemberStatus[];
  /** By id. */
  readonly joining: readonly JoiningPeer[];
}

/** A snapshot on its way to this peer. */
export interface SnapshotProgress {
  /** `fetching` it, `loading` what came, or `installing` it. */
  readonly phase: 'fetching' | 'loading' | 'installing';
  /** The peer that sends it at present. */
  readonly from: PeerId | undefined;
  /** Last entry that it includes; 0 before the first answer. */
  readonly index: LogIndex;
  readonly receivedBytes: number;
}

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
  /** Who belongs to the cluster has changed, as this peer knows: an entry was appended, taken back or installed. */
  membership?(members: readonly MemberStatus[]): void;
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
 *     new → opening → replaying → founding → serving ⇄ reopening → stopping → stopped
 *              └──────────┴───────────┴──────────┴────────┴─▶ halted
 *
 * `founding`: it waits for the cluster to be founded, or to be added to one. `reopening`: its disk failed, or it installs a
 * snapshot, and it begins again on its directory without ending the process.
 */
export type PeerState =
  | 'new'
  | 'opening'
  | 'founding'
  | 'replaying'
  | 'serving'
  | 'reopening'
  | 'stopping'
  | 'stopped'
  | 'halted';

/**
 * Something that an operator should look at, though the peer goes on. `SPACE_LOW`: the disk is nearly full. `DAMAGED`: what was
 * damaged on the disk is being fetched from the others. `REFUSED`: a peer is not talked to, by the word of one of the ends.
 */
export interface PeerAlarm {
  readonly code: 'CLOCK_OFF' | 'SPACE_LOW' | 'DAMAGED' | 'REFUSED';
  /** One sentence that says what is wrong and what to do. */
  readonly message: string;
}

/** How far one other voter is, as the leader knows it. */
export interface VoterStatus {
  readonly peer: PeerId;
  /** Index of the newest entry that is known to be in its log; undefined when this peer does not lead. */
  readonly matchIndex: LogIndex | undefined;
  readonly connected: boolean;
  /** Bytes of log here that this voter has not got yet, as far as they are still here; undefined when not leader. */
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
  readonly membership: Membership;
  /** What was damaged on the disk of this peer is not whole again yet: it does not campaign. */
  readonly damaged: boolean;
  readonly spaceLow: boolean;
  /** The snapshot that this peer is fetching. */
  readonly snapshot: SnapshotProgress | undefined;
  /** Features in force, see `features.ts`. */
  readonly featureLevel: number;
  /** Commands that wait for a batch, and their bytes. */
  readonly queuedCommands: number;
  readonly queuedBytes: number;
}
