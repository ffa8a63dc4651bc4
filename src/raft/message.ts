import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Entry } from './types.ts';

/** No term is later: it would take an election each microsecond for nine years to get there. */
export const TERM_MAX: Term = 2 ** 48;

/** What every message carries. */
interface Addressed {
  readonly from: PeerId;
  readonly to: PeerId;
}

/**
 * Pre-candidate to every other voter: "could you vote for me?" (thesis §9.6). Changes nothing in its receiver.
 * Waits for durability of the sender's log, so that a peer whose disk hangs never stands for election.
 */
export interface PreVoteRequest extends Addressed {
  readonly type: 'pre-vote-request';
  /** The term that the sender would campaign in: its own plus one. */
  readonly term: Term;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
}

/** Answer to a `PreVoteRequest`. */
export interface PreVoteResponse extends Addressed {
  readonly type: 'pre-vote-response';
  /** Granted: the term of the request. Refused: the sender's own term, which a pre-candidate behind adopts. */
  readonly term: Term;
  readonly granted: boolean;
}

/** Candidate to every other voter (RequestVote, Raft §5.2). Leaves once the own term and vote are durable. */
export interface VoteRequest extends Addressed {
  readonly type: 'vote-request';
  readonly term: Term;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** The leader asked for this election (thesis §3.10), so that voters who still hear it may answer. */
  readonly transfer: boolean;
}

/** Answer to a `VoteRequest`. A grant leaves once it is durable. */
export interface VoteResponse extends Addressed {
  readonly type: 'vote-response';
  readonly term: Term;
  readonly granted: boolean;
}

/** Leader to one follower (Raft §5.3). Without entries it probes, or tells of a commit. */
export interface AppendEntries extends Addressed {
  readonly type: 'append-entries';
  readonly term: Term;
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  readonly leaderCommit: LogIndex;
  /** Contiguous from `prevLogIndex + 1`, terms not falling and none over `term`. */
  readonly entries: readonly Entry[];
}

/** Follower to leader: its log agrees with the leader's up to `matchIndex`, durably. */
export interface AppendAccepted extends Addressed {
  readonly type: 'append-accepted';
  readonly term: Term;
  readonly matchIndex: LogIndex;
}

/** Follower to leader: it has no entry of `prevLogTerm` at `rejectedIndex`. Also the answer to a leader of an older term. */
export interface AppendRejected extends Addressed {
  readonly type: 'append-rejected';
  readonly term: Term;
  /** `prevLogIndex` of the request. */
  readonly rejectedIndex: LogIndex;
  /** The largest index of the follower's, at most `rejectedIndex`, whose term is at most `prevLogTerm`. */
  readonly hintIndex: LogIndex;
  /** Its term; 0 when unknown. */
  readonly hintTerm: Term;
  /** The sender lost entries to damage, perhaps such as it had acknowledged: it no longer holds anything behind the hint. */
  readonly damaged: boolean;
}

/** Leader to every follower, each heartbeat interval and at the start of a read round. Never waits for a disk. */
export interface Heartbeat extends Addressed {
  readonly type: 'heartbeat';
  readonly term: Term;
  /** At most `matchIndex`: the follower may hold more that nobody vouched for. */
  readonly commit: LogIndex;
  /** What the leader knows this follower to hold, by its own word. One that does not hold it has lost it. */
  readonly matchIndex: LogIndex;
  /** The term of that entry; 0 when the leader knows it no more, or for none. */
  readonly matchTerm: Term;
  /** The newest read round begun (thesis §6.4); 0 before the first. */
  readonly readRound: number;
  /** The follower needs entries that are compacted: a state at this index or a later one brings it within reach. Else 0. */
  readonly snapshotNeeded: LogIndex;
}

/** Answer to a `Heartbeat`. Does not wait for a disk either: it promises nothing that a crash could take back. */
export interface HeartbeatResponse extends Addressed {
  readonly type: 'heartbeat-response';
  readonly term: Term;
  readonly readRound: number;
  /** The sender is not whole, so it cannot lead. */
  readonly damaged: boolean;
}

/** Leader to the peer it hands leadership to: campaign at once (thesis §3.10). */
export interface TimeoutNow extends Addressed {
  readonly type: 'timeout-now';
  readonly term: Term;
  /** What the leader knows the target to hold durably. A target that does not is not the one that the leader saw. */
  readonly lastIndex: LogIndex;
}

/** Follower or learner to the leader that it knows: how far must a state be that is read now (thesis §6.4)? */
export interface ReadIndexRequest extends Addressed {
  readonly type: 'read-index-request';
  readonly term: Term;
  /** Drawn and counted by the sender; no two of its requests in one term have the same, not even across its restarts. */
  readonly round: number;
}

/** Answer to a `ReadIndexRequest`, after a quorum confirmed that the sender led when the request came. */
export interface ReadIndexResponse extends Addressed {
  readonly type: 'read-index-response';
  readonly term: Term;
  readonly round: number;
  readonly index: LogIndex;
}

/** Everything peers say to each other. */
export type Message =
  | PreVoteRequest
  | PreVoteResponse
  | VoteRequest
  | VoteResponse
  | AppendEntries
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatResponse
  | TimeoutNow
  | ReadIndexRequest
  | ReadIndexResponse;
