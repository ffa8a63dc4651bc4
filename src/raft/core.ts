import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import { below } from '../base/random.ts';
import { ApplyQueue } from './apply-queue.ts';
import { RaftLog } from './log.ts';
import type { Message } from './message.ts';
import type { RaftOptions } from './options.ts';
import { Persistence } from './persistence.ts';
import type { Configuration } from './quorum.ts';
import { configuration } from './quorum.ts';
import type { FetchRequest, ReadState } from './ready.ts';
import type { Role } from './role.ts';
import { FOLLOWER } from './role.ts';
import type { Entry, HardState, RaftRestored } from './types.ts';

/**
 * The whole state of one peer, on which the step functions of the roles work. Nobody outside the folder changes it.
 *
 * Invariants: applied <= handed to apply <= min(commit, durable); commit <= last; a leader is its own `leader`.
 */
export class Core {
  readonly options: RaftOptions;
  readonly self: PeerId;
  readonly configuration: Configuration;
  readonly log: RaftLog;
  readonly persistence: Persistence;
  readonly applying: ApplyQueue;

  /** Replaced as a whole, so that "has it changed" is a comparison. The term never falls. */
  hardState: HardState;
  role: Role = FOLLOWER;
  /** Who leads `term`, once known. */
  leader: PeerId | undefined;
  /** Never falls. Every entry up to here is in a quorum's durable log. */
  commitIndex: LogIndex;
  /** Every voter is known to hold the log up to here, durably. Never falls. */
  lowestMatchIndex: LogIndex;

  /** Since the leader was heard, a vote was granted or the role changed. */
  electionElapsedTicks = 0;
  /** When that makes it time for an election. */
  electionTimeoutTicks = 0;
  /** Elections of this peer that timed out since a leader was last known. */
  failedCampaigns = 0;

  /** To send at once. */
  messages: Message[] = [];
  reads: ReadState[] = [];
  readsLost: number[] = [];
  leadershipChanged = false;
  fetchInFlight: FetchRequest | undefined;
  fetchSequence = 0;
  /** Where the search for the next follower to read for begins, so that each gets its turn. */
  fetchTurn = 0;

  constructor(options: RaftOptions, restored: RaftRestored) {
    assert(
      restored.applied <= restored.commit && restored.commit <= restored.lastIndex,
      'what is applied is in the log',
    );
    assert(restored.applied >= restored.firstIndex - 1, 'nothing unapplied was compacted');
    this.options = options;
    this.self = options.self;
    this.configuration = configuration(options.voters);
    this.hardState = restored.hardState;
    this.log = new RaftLog(restored);
    assert(this.log.lastTerm <= restored.hardState.term, 'no entry is of a term yet to come');
    this.persistence = new Persistence(restored.hardState, restored.lastIndex);
    this.applying = new ApplyQueue(restored.applied, options.maxApplyBytes);
    this.commitIndex = restored.commit;
    this.lowestMatchIndex = restored.lowestMatchIndex;
    this.drawElectionTimeout();
    this.log.evict(options.maxEntriesInMemoryBytes, restored.lastIndex);
  }

  get term(): Term {
    return this.hardState.term;
  }

  /** Nobody else votes: this peer decides alone. */
  get alone(): boolean {
    return this.configuration.voters.length === 1;
  }

  /** Starts the wait for a leader anew, of random length (Raft §5.2). */
  drawElectionTimeout(): void {
    const { electionTimeoutTicks, random } = this.options;
    this.electionElapsedTicks = 0;
    this.electionTimeoutTicks = this.alone ? 1 : electionTimeoutTicks + below(random, electionTimeoutTicks);
  }

  /** A quorum may still follow a leader that this peer hears (thesis §4.2.3, §9.6): no vote against it. */
  hearsLeader(): boolean {
    if (this.role.name === 'leader') return true;
    return this.leader !== undefined && this.electionElapsedTicks < this.options.electionTimeoutTicks;
  }

  /** True when a log that ends in (`lastTerm`, `lastIndex`) is at least as up to date as ours (Raft §5.4.1). */
  upToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    if (lastTerm !== this.log.lastTerm) return lastTerm > this.log.lastTerm;
    return lastIndex >= this.log.lastIndex;
  }

  /** Appends one entry. The host learns of it by the next persist batch. */
  append(entry: Entry): void {
    assert(entry.term <= this.term, 'no entry is of a term yet to come');
    this.log.append(entry);
  }

  /** Keeps memory within its budget; called after the log grew or more of it became durable. */
  trimMemory(): void {
    this.log.evict(this.options.maxEntriesInMemoryBytes, this.persistence.durableIndex);
  }

  /** Cuts what a leader of a later term overwrites. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.commitIndex, () => `entry ${index} is committed and stays (commit ${this.commitIndex})`);
    assert(this.role.name !== 'leader', 'a leader never overwrites its log');
    this.log.truncateFrom(index);
    this.persistence.truncated(index);
  }

  /** Commits up to `index` when that is news. */
  commitTo(index: LogIndex): void {
    assert(index <= this.log.lastIndex, () => `commit ${index} is in the log, which ends at ${this.log.lastIndex}`);
    if (index > this.commitIndex) this.commitIndex = index;
  }
}

/** Enters `term`, which is a later one: the vote is free again, and what was promised in the old term is void. */
export function enterTerm(core: Core, term: Term, votedFor: PeerId | undefined): void {
  assert(term > core.term, 'terms only grow');
  core.hardState = { term, votedFor };
  core.persistence.voidPromises();
  core.leader = undefined;
  core.leadershipChanged = true;
}

/** Follows `leader`, or nobody yet, in `term`, which is the present one or a later one. */
export function becomeFollower(core: Core, term: Term, leader: PeerId | undefined): void {
  assert(term >= core.term, 'terms only grow');
  assert(leader !== core.self, 'nobody follows itself');
  if (term > core.term) enterTerm(core, term, undefined);
  if (core.role.name === 'leader') core.readsLost.push(...core.role.reads.abandon());
  if (core.role !== FOLLOWER) {
    core.role = FOLLOWER;
    core.leadershipChanged = true;
    core.drawElectionTimeout();
  }
  if (core.leader !== leader) {
    assert(core.leader === undefined || leader === undefined, 'a term has one leader');
    core.leader = leader;
    core.leadershipChanged = true;
  }
  if (leader !== undefined) {
    core.electionElapsedTicks = 0;
    core.failedCampaigns = 0;
    // An election that was due early, because the leader's process seemed to be gone, is off.
    if (core.electionTimeoutTicks < core.options.electionTimeoutTicks) core.drawElectionTimeout();
  }
}
