import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import { below } from '../base/random.ts';
import { ApplyQueue } from './apply-queue.ts';
import type { Configuration } from './configuration.ts';
import { Configurations } from './configurations.ts';
import { ForwardedReads } from './forwarded-reads.ts';
import { RaftLog } from './log.ts';
import type { Message } from './message.ts';
import type { RaftOptions } from './options.ts';
import { Persistence } from './persistence.ts';
import type { FetchRequest, ReadState, SnapshotNeed } from './ready.ts';
import type { Role } from './role.ts';
import { FOLLOWER } from './role.ts';
import type { Damage, Entry, HardState, RaftRestored } from './types.ts';
import { EntryKind } from './types.ts';

/**
 * The whole state of one peer, on which the step functions of the roles work. Nobody outside the folder changes it.
 *
 * Invariants: applied <= handed to apply <= min(commit, durable); commit <= last; a leader is its own `leader`.
 */
export class Core {
  readonly options: RaftOptions;
  readonly self: PeerId;
  readonly configurations: Configurations;
  /** The one in force: the newest of the log, committed or not. Only `append` and `truncateFrom` change it. */
  configuration: Configuration;
  /** This peer is one of its voters, and not only its id. */
  votes: boolean;
  /** Nobody else votes: this peer decides alone. */
  alone: boolean;
  readonly log: RaftLog;
  readonly persistence: Persistence;
  readonly applying: ApplyQueue;
  /** Reads that are asked of the leader while this peer follows. */
  readonly forwarded: ForwardedReads;

  /** Replaced as a whole, so that "has it changed" is a comparison. The term never falls. */
  hardState: HardState;
  role: Role = FOLLOWER;
  /** Who leads `term`, once known. */
  leader: PeerId | undefined;
  /** Never falls. Every entry up to here is in a quorum's durable log. */
  commitIndex: LogIndex;

  /** Since the leader was heard, a vote was granted or the role changed. */
  electionElapsedTicks = 0;
  /** When that makes it time for an election. */
  electionTimeoutTicks = 0;
  /** Elections of this peer that timed out since a leader was last known. */
  failedCampaigns = 0;

  /** Where the log ended before damage cut it, until what is gone is back. */
  damage: Damage | undefined;
  /** There is no state to apply to in this run. */
  readonly stateMissing: boolean;
  /** The last entry before the log of the leader begins, which this peer may lack; 0 when the leader has all that this peer needs. */
  snapshotOffered: LogIndex = 0;

  /** To send at once. */
  messages: Message[] = [];
  reads: ReadState[] = [];
  readsLost: number[] = [];
  leadershipChanged = false;
  configurationChanged = false;
  snapshotNeeded: SnapshotNeed | undefined;
  healed = false;
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
    const { hardState, prevTerm } = restored;
    // A checkpoint may come from a term of which this peer has not heard, or had not yet written down. The next batch does.
    this.hardState = prevTerm > hardState.term ? { term: prevTerm, votedFor: undefined } : hardState;
    this.configurations = new Configurations(restored.configurations);
    this.configuration = this.configurations.effective;
    assert(this.configuration.index <= restored.lastIndex, 'the configuration in force is in the log');
    assert(
      (restored.configurations[0]?.index ?? 0) <= restored.applied,
      'the first configuration is that of what is applied',
    );
    this.votes = votesIn(this.configuration, options);
    this.alone = this.votes && this.configuration.voters.length === 1;
    this.damage = restored.damage;
    this.stateMissing = restored.stateMissing === true;
    this.forwarded = new ForwardedReads(options.maxPendingReads);
    this.log = new RaftLog(restored);
    assert(this.log.lastTerm <= this.hardState.term, 'no entry is of a term yet to come');
    this.persistence = new Persistence(restored.hardState, restored.lastIndex, options.maxPersistEntries);
    this.applying = new ApplyQueue(restored.applied, options.maxApplyBytes);
    this.commitIndex = restored.commit;
    this.drawElectionTimeout();
    // A checkpoint may have brought more than was lost.
    this.checkHealed();
    this.log.evict(options.maxEntriesInMemoryBytes, restored.lastIndex);
  }

  get term(): Term {
    return this.hardState.term;
  }

  /**
   * This peer may stand for election: it votes, and it is whole. One that lost entries votes by what it once had, but could not
   * lead with what it has.
   */
  get mayCampaign(): boolean {
    if (this.damage !== undefined || this.stateMissing) return false;
    if (this.votes) return true;
    // It may be the only one that can commit its own removal (thesis §4.2.2). A configuration is not made before the last one is
    // committed, so that is the one which may still be in force elsewhere, however little of it this peer knows as committed.
    const { before, effective } = this.configurations;
    if (before === undefined || effective.index <= this.commitIndex) return false;
    return !effective.members.some(({ peer }) => peer === this.self) && votesIn(before, this.options);
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

  /**
   * True when a log that ends in (`lastTerm`, `lastIndex`) is at least as up to date as ours (Raft §5.4.1). What damage took counts
   * as if it were here: this peer may have acknowledged it, and its vote is what keeps it committed.
   */
  upToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    const { log, damage } = this;
    if (damage !== undefined && !atLeast(lastIndex, lastTerm, damage.lastIndex, damage.lastTerm)) return false;
    return atLeast(lastIndex, lastTerm, log.lastIndex, log.lastTerm);
  }

  /** Follows `leader` from now on, or knows of none. Reads that were asked of another one are lost. */
  follow(leader: PeerId | undefined): void {
    if (leader === this.leader) return;
    this.leader = leader;
    this.leadershipChanged = true;
    this.snapshotOffered = 0;
    this.readsLost.push(...this.forwarded.abandon());
  }

  /** Appends one entry. The host learns of it by the next persist batch. */
  append(entry: Entry): void {
    assert(entry.term <= this.term, 'no entry is of a term yet to come');
    this.log.append(entry);
    if (entry.kind !== EntryKind.configuration) return;
    this.configurations.append(entry);
    this.#adoptConfiguration();
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
    if (this.configurations.truncateFrom(index)) this.#adoptConfiguration();
  }

  /** Commits up to `index` when that is news. */
  commitTo(index: LogIndex): void {
    assert(index <= this.log.lastIndex, () => `commit ${index} is in the log, which ends at ${this.log.lastIndex}`);
    if (index > this.commitIndex) this.commitIndex = index;
  }

  /**
   * Ends the damage once the durable log is at least as up to date as it was recorded. In a later term its last entry is of a leader
   * whose log held everything that was committed before, and ours is the same up to there. In the same term it is the log of the same
   * leader, and reaches as far as anything that this peer can have acknowledged.
   */
  checkHealed(): void {
    const { damage, persistence, log } = this;
    if (damage === undefined) return;
    const { durableIndex } = persistence;
    if (!atLeast(durableIndex, log.term(durableIndex), damage.lastIndex, damage.lastTerm)) return;
    this.damage = undefined;
    this.healed = true;
  }

  #adoptConfiguration(): void {
    this.configuration = this.configurations.effective;
    this.votes = votesIn(this.configuration, this.options);
    this.alone = this.votes && this.configuration.voters.length === 1;
    this.configurationChanged = true;
  }
}

/** True when this very peer is a voter of `configuration`. */
function votesIn(configuration: Configuration, options: RaftOptions): boolean {
  const { self, isSelf } = options;
  return configuration.members.some(({ peer, votes, info }) => votes && peer === self && isSelf(info));
}

/** The order of logs: the later last term, then the longer log. */
export function atLeast(index: LogIndex, term: Term, thanIndex: LogIndex, thanTerm: Term): boolean {
  return term === thanTerm ? index >= thanIndex : term > thanTerm;
}

/** Enters `term`, which is a later one: the vote is free again, and what was promised in the old term is void. */
export function enterTerm(core: Core, term: Term, votedFor: PeerId | undefined): void {
  assert(term > core.term, 'terms only grow');
  core.hardState = { term, votedFor };
  core.persistence.voidPromises();
  core.follow(undefined);
  core.snapshotOffered = 0;
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
  assert(core.leader === leader || core.leader === undefined || leader === undefined, 'a term has one leader');
  core.follow(leader);
  if (leader !== undefined) {
    core.electionElapsedTicks = 0;
    core.failedCampaigns = 0;
    // An election that was due early, because the leader's process seemed to be gone, is off; one that was put off is not any more.
    const { electionTimeoutTicks } = core.options;
    if (core.electionTimeoutTicks < electionTimeoutTicks || core.electionTimeoutTicks >= 2 * electionTimeoutTicks)
      core.drawElectionTimeout();
  }
}
