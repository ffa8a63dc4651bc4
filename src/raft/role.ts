import type { LogIndex, PeerId } from '../base/ids.ts';
import type { Progress } from './progress.ts';
import type { ReadRounds } from './read-index.ts';

/** Follows whoever leads the term, and votes. What every peer starts as. */
export interface Follower {
  readonly name: 'follower';
}

/** Asks for votes: a pre-candidate whether it could win, a candidate in earnest. */
export interface Candidate {
  readonly name: 'pre-candidate' | 'candidate';
  /** What each voter said, each counted once. The own vote comes in when it is durable. */
  readonly votes: Map<PeerId, boolean>;
}

/** A hand-over of leadership that is under way (thesis §3.10). */
export interface Transfer {
  readonly to: PeerId;
  /** Since it began, or since the target was told to campaign. It is given up after one election timeout. */
  elapsedTicks: number;
  /** The target was told to campaign. */
  sent: boolean;
}

/** Leads its term. */
export interface Leader {
  readonly name: 'leader';
  /** One for every other member of the configuration in force, in order of their ids. */
  peers: readonly Progress[];
  /** Room to put one number for each voter in order, so that no array is made at each acknowledgement. */
  readonly counted: LogIndex[];
  /**
   * The commit index of half to one election timeout ago, and of less: a learner that holds everything up to the older one keeps
   * pace. At first both are where the term began.
   */
  olderCommit: LogIndex;
  newerCommit: LogIndex;
  commitMarkTicks: number;
  /** Index of the empty entry that opened the term. */
  readonly termStartIndex: LogIndex;
  readonly reads: ReadRounds;
  /** Proposals are refused while this is set. */
  transfer: Transfer | undefined;
  /** Data bytes appended in this leadership and not applied. */
  uncommittedBytes: number;
  heartbeatElapsedTicks: number;
  /** Something happened after which there may be something to send. */
  sendDue: boolean;
}

/** Each role has the fields that it needs and no others; a change of role makes a new object. */
export type Role = Follower | Candidate | Leader;

/** The only follower: the role has no fields of its own. */
export const FOLLOWER: Follower = { name: 'follower' };
