/**
 * Consensus: one peer's part in keeping a log that every peer agrees on (Ongaro and Ousterhout, "In search of an
 * understandable consensus algorithm", and Ongaro's thesis; section numbers refer to them).
 *
 * The core is a pure state machine. Messages come in through `step`, time through `tick`, new entries through `propose`,
 * and the results of what it asked for through `persisted`, `applied` and `fetched`. What is to be done comes out of
 * `ready`. It reads no clock, opens no socket and writes no file.
 *
 * The host's loop, after any call in, while `hasReady()`:
 *
 *   1. take `ready()`;
 *   2. send `messages` at once;
 *   3. hand `persist` to the disk as one atomic, synced batch. When it is durable: call `persisted(ack)`, send its
 *      messages, and look at `ready()` again. There is never more than one batch in flight, as `ready()` gives none before
 *      the last was acknowledged; meanwhile everything else goes on;
 *   4. apply `committed` in order and call `applied`; answer `fetch` by `fetched`; complete `reads` once their index is applied;
 *   5. reach the members of `configuration`; on `snapshotNeeded` fetch and install a checkpoint, then make a new core from what is
 *      on the disk; on `healed` forget the damage.
 *
 * ```
 *                 timeout                   quorum could vote                 quorum voted
 *   follower ───────────────▶ pre-candidate ────────────────▶ candidate ─────────────────▶ leader
 *      ▲  │                        │    ▲                      │  │  ▲                       │
 *      │  └── told to campaign ────│────│──────────────────────┘  │  │                       │
 *      │                           │    └──────── timeout ────────┘  │                       │
 *      └───────────────────────────┴─────────────────────────────────┴───────────────────────┘
 *        another leads, a later term, a quorum refused; a leader also: no quorum heard, own disk hangs, appends reach no quorum
 * ```
 *
 * Invariants, checked by `checkInvariants`: match < next for every follower; applied <= handed out <= min(commit,
 * durable); durable <= last; commit, term and match never fall; nobody leads a term that its own disk does not know.
 *
 * Who decides is in the log itself: the newest entry of kind `configuration`, committed or not. Learners get everything and count
 * for nothing. A peer that lost entries to damage votes by what it once had and never stands for election until it has it again.
 *
 * Not here: the bytes of a state. The core says that a follower needs one, and goes on when its log reaches the leader's again. No
 * leases: nothing depends on clocks.
 */
import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Configuration, ConfigurationChange } from './configuration.ts';
import { Core } from './core.ts';
import { candidatePersisted, preVoteAnswered, preVoteRequested, tickCandidate } from './election.ts';
import { canApply, checkFetched, fetchWaits, takeCommitted, takeFetch } from './fetch.ts';
import { forgetLeader, tickFollower } from './follower.ts';
import { bestSuccessor, progressOf } from './followers.ts';
import { askLeader } from './forwarded-reads.ts';
import { appendOwn, beginTransfer, leaderPersisted, tickLeader } from './leader.ts';
import { lossIn } from './loss.ts';
import type { ChangeResult } from './membership.ts';
import { changeConfiguration, leaveWhenRemoved } from './membership.ts';
import type { Message } from './message.ts';
import { objectionTo } from './objection.ts';
import type { RaftOptions } from './options.ts';
import { validateRaftOptions } from './options.ts';
import type { FetchRequest, PersistAck, Ready } from './ready.ts';
import { sendDue, sendFetched } from './replication.ts';
import type { RaftStatus } from './status.ts';
import { statusOf } from './status.ts';
import { answerOldTerm, enterLaterTerm, stepTerm } from './step.ts';
import type { Damage, Entry, RaftRestored, RoleName } from './types.ts';
import { EntryKind, FEATURE_BYTES } from './types.ts';

/** What became of a proposal. An accepted one is in the leader's log; whether it commits is seen in `committed`. */
export type ProposeResult =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | {
      readonly accepted: false;
      /** `transferring`: leadership is being handed over. `uncommitted-limit`: too much waits to be applied. */
      readonly reason: 'not-leader' | 'transferring' | 'uncommitted-limit';
      /** Who leads, as far as known. */
      readonly leader: PeerId | undefined;
    };

/** What became of the wish to hand leadership over. A transfer that began ends in a new leader or after one election timeout. */
export type TransferResult =
  | { readonly started: true; readonly to: PeerId }
  | {
      readonly started: false;
      /**
       * `self`: a transfer under way, if any, was called off. `unknown-peer`: no other voter. `damaged`: it said that it is not whole, and
       * would not stand. `no-successor`: no voter that could take over was heard of late.
       */
      readonly reason: 'not-leader' | 'self' | 'unknown-peer' | 'damaged' | 'no-successor';
    };

/** One peer of a Raft cluster. Every method runs to its end without waiting, and none may be called from within another. */
export class Raft {
  readonly #core: Core;

  /** @throws RangeError that lists every problem of `options`. */
  constructor(options: RaftOptions, restored: RaftRestored) {
    const problems = validateRaftOptions(options);
    if (problems.length > 0) throw new RangeError(problems.join(' '));
    this.#core = new Core(options, restored);
  }

  get role(): RoleName {
    return this.#core.role.name;
  }

  get term(): Term {
    return this.#core.term;
  }

  /** Who leads the term, once known. */
  get leader(): PeerId | undefined {
    return this.#core.leader;
  }

  get commitIndex(): LogIndex {
    return this.#core.commitIndex;
  }

  get appliedIndex(): LogIndex {
    return this.#core.applying.appliedIndex;
  }

  get lastIndex(): LogIndex {
    return this.#core.log.lastIndex;
  }

  /** Who belongs to the cluster, by the newest entry of the log that says so. It may yet be cut, like any entry that is not committed. */
  get configuration(): Configuration {
    return this.#core.configuration;
  }

  /** Who belongs to the cluster for certain, as far as this peer knows. */
  get committedConfiguration(): Configuration {
    return this.#core.configurations.at(this.#core.commitIndex);
  }

  /** The configuration in force at `index`, which is not before `appliedIndex`; a checkpoint there keeps it. */
  configurationAt(index: LogIndex): Configuration {
    assert(index >= this.appliedIndex, 'the configuration of what was applied long ago is not kept');
    return this.#core.configurations.at(index);
  }

  status(): RaftStatus {
    return statusOf(this.#core);
  }

  /**
   * What is wrong with `message` where only a peer with a mistake in it can have sent that; `undefined` where nothing is. Such a
   * message is not to be given to `step`, which asserts what is looked at here.
   */
  objectionTo(message: Message): string | undefined {
    return objectionTo(this.#core, message);
  }

  /**
   * What `message`, to which there is no objection, shows that this peer has acknowledged and lost; `undefined` where nothing. Such a
   * message is not to be given to `step`: the host notes the loss durably, and makes a new core with it as damage.
   */
  lossIn(message: Message): Damage | undefined {
    return lossIn(this.#core, message);
  }

  /** Takes a message that a peer sent to this one. Any message may be lost, repeated, late or out of order. */
  step(message: Message): void {
    const core = this.#core;
    assert(message.to === core.self, 'a message is for this peer');
    assert(message.from !== core.self, 'nobody writes to itself');
    // Pre-votes are about a term that nobody is in; they change none.
    if (message.type === 'pre-vote-request') preVoteRequested(core, message);
    else if (message.type === 'pre-vote-response') preVoteAnswered(core, message);
    else if (message.term < core.term) answerOldTerm(core, message);
    else if (message.term === core.term || enterLaterTerm(core, message)) stepTerm(core, message);
  }

  /** One unit of time has passed. */
  tick(): void {
    const core = this.#core;
    core.persistence.tick();
    const { role } = core;
    if (role.name === 'leader') tickLeader(core, role);
    else if (role.name === 'follower') tickFollower(core);
    else tickCandidate(core, role);
  }

  /** Appends `data` as one entry when this peer leads. Nobody may write to `data` afterwards. */
  propose(data: Uint8Array): ProposeResult {
    return this.#propose(EntryKind.command, data);
  }

  /**
   * Appends the entry from which on features up to `level`, a 32-bit number, are on. Who asks knows that every voter understands
   * them; to the core it is an entry like another.
   */
  proposeFeature(level: number): ProposeResult {
    assert(level >>> 0 === level, 'a feature level is a 32-bit number');
    const writer = new ByteWriter(FEATURE_BYTES);
    writer.u32(level);
    return this.#propose(EntryKind.feature, writer.take());
  }

  /**
   * Adds a learner, makes a learner a voter, or removes a member. The change is in force at once, and lasts once its entry is
   * committed. One at a time, and none before the leader has committed an entry of its own term. A leader may remove itself: it
   * leads until that is committed, then hands over.
   */
  changeConfiguration(change: ConfigurationChange): ChangeResult {
    const core = this.#core;
    const { role, leader } = core;
    if (role.name !== 'leader') return { accepted: false, reason: 'not-leader', leader };
    return changeConfiguration(core, role, change);
  }

  /**
   * Asks for an index at which a read is as fresh as now (thesis §6.4): a leader its followers, any other member the leader. The
   * answer is in `reads` or `readsLost` of a later `Ready`, under `id`, which may repeat. `not-leader`: nobody is known to lead.
   * `overloaded`: `maxPendingReads` wait already.
   */
  requestRead(id: number): 'queued' | 'not-leader' | 'overloaded' {
    const core = this.#core;
    const { role, commitIndex } = core;
    if (role.name !== 'leader') {
      if (role.name !== 'follower' || core.leader === undefined) return 'not-leader';
      return core.forwarded.request(id) ? 'queued' : 'overloaded';
    }
    const committedOwnTerm = commitIndex >= role.termStartIndex;
    if (!role.reads.request(id, committedOwnTerm ? commitIndex : undefined)) return 'overloaded';
    role.sendDue = true;
    return 'queued';
  }

  /**
   * Hands leadership to `to`, or to the voter that can take over soonest (thesis §3.10). Proposals are refused until it led, or for
   * one election timeout while it catches up and one after it was told to campaign. Another target replaces the first; this peer
   * itself calls the transfer off. Reads go on: a leader that was replaced cannot confirm any.
   */
  transferLeadership(to: PeerId | 'best'): TransferResult {
    const core = this.#core;
    const { role } = core;
    if (role.name !== 'leader') return { started: false, reason: 'not-leader' };
    if (to === core.self) {
      role.transfer = undefined;
      return { started: false, reason: 'self' };
    }
    const target = to === 'best' ? bestSuccessor(core, role) : progressOf(role, to);
    if (target === undefined) return { started: false, reason: to === 'best' ? 'no-successor' : 'unknown-peer' };
    if (!target.votes) return { started: false, reason: 'unknown-peer' };
    // It would not be told in vain only: proposals would be refused until that shows.
    if (target.damaged) return { started: false, reason: 'damaged' };
    beginTransfer(core, role, target.peer);
    return { started: true, to: target.peer };
  }

  /** The leader's connection closed, and dialling again at once was refused: its process is gone. Followers hurry then. */
  leaderConnectionLost(): void {
    forgetLeader(this.#core);
  }

  /** The connection to `peer` ended and what was on the way is lost: a leader begins again from what was acknowledged. */
  peerUnreachable(peer: PeerId): void {
    const { role } = this.#core;
    if (role.name !== 'leader') return;
    const progress = progressOf(role, peer);
    if (progress?.state !== 'replicate') return;
    progress.becomeProbe();
    role.sendDue = true;
  }

  /** True when `ready` has something to do. */
  hasReady(): boolean {
    const core = this.#core;
    const { role } = core;
    return (
      core.messages.length > 0 ||
      core.leadershipChanged ||
      (role.name === 'leader' && (role.sendDue || (core.fetchInFlight === undefined && fetchWaits(core)))) ||
      core.persistence.ready(core.hardState, core.log.lastIndex) ||
      canApply(core) ||
      core.reads.length > 0 ||
      core.readsLost.length > 0 ||
      (core.forwarded.due && core.leader !== undefined) ||
      core.configurationChanged ||
      core.snapshotNeeded !== undefined ||
      core.healed
    );
  }

  /** What is to be done, each thing once. Empty when nothing is. */
  ready(): Ready {
    const core = this.#core;
    if (core.role.name === 'leader') leaveWhenRemoved(core, core.role);
    else askLeader(core);
    const { role } = core;
    if (role.name === 'leader') sendDue(core, role);
    const persist = core.persistence.takeBatch(core.hardState, core.log);
    const promises = core.persistence.takePromises(core.hardState, core.log.lastIndex);
    const ready: Ready = {
      messages: promises.length === 0 ? core.messages : [...core.messages, ...promises],
      persist,
      committed: takeCommitted(core),
      fetch: takeFetch(core),
      reads: core.reads,
      readsLost: core.readsLost,
      leadership: core.leadershipChanged ? { role: role.name, term: core.term, leader: core.leader } : undefined,
      configuration: core.configurationChanged ? core.configuration : undefined,
      snapshotNeeded: core.snapshotNeeded,
      healed: core.healed,
    };
    if (core.messages.length > 0) core.messages = [];
    if (core.reads.length > 0) core.reads = [];
    if (core.readsLost.length > 0) core.readsLost = [];
    core.leadershipChanged = false;
    core.configurationChanged = false;
    core.snapshotNeeded = undefined;
    core.healed = false;
    return ready;
  }

  /** The batch that carried `ack` is durable. Its messages may go, and `ready` may have more. */
  persisted(ack: PersistAck): void {
    const core = this.#core;
    core.persistence.persisted(ack);
    core.trimMemory();
    const { role } = core;
    if (role.name === 'leader') leaderPersisted(core, role);
    else if (role.name !== 'follower') candidatePersisted(core, role);
    core.checkHealed();
  }

  /**
   * Answers `request`: entries from `request.from` on, at least one, or `compacted` when storage no longer has that one,
   * of which `compacted` has told before. None at all when they are for a follower and were cut meanwhile.
   */
  fetched(request: FetchRequest, entries: readonly Entry[] | 'compacted'): void {
    const core = this.#core;
    assert(core.fetchInFlight?.sequence === request.sequence, 'the fetch in flight is answered, once');
    core.fetchInFlight = undefined;
    if (entries === 'compacted') assert(request.from < core.log.firstIndex, 'a compaction is told before it is met');
    else checkFetched(core, request, entries);
    if (request.forPeer === undefined) {
      assert(entries !== 'compacted', 'nothing unapplied is compacted');
      core.applying.putFetched(entries);
      return;
    }
    const { role } = core;
    const progress = role.name === 'leader' ? progressOf(role, request.forPeer) : undefined;
    if (role.name !== 'leader' || progress === undefined) return;
    if (entries !== 'compacted') sendFetched(core, role, progress, entries);
    else if (progress.next < core.log.firstIndex) progress.becomeSnapshot(core.log.firstIndex);
  }

  /** The host applied everything up to `index`. */
  applied(index: LogIndex): void {
    const core = this.#core;
    const bytes = core.applying.applied(index, core.term);
    core.configurations.applied(core.applying.appliedIndex);
    const { role } = core;
    if (role.name === 'leader') role.uncommittedBytes = Math.max(0, role.uncommittedBytes - bytes);
  }

  /** Storage no longer has entries before `firstIndex`, all of which were applied and in a checkpoint. */
  compacted(firstIndex: LogIndex): void {
    const core = this.#core;
    assert(firstIndex <= core.applying.appliedIndex + 1, 'only what was applied is compacted');
    core.log.compactTo(firstIndex);
  }

  #propose(kind: EntryKind, data: Uint8Array): ProposeResult {
    const core = this.#core;
    const { role, leader } = core;
    if (role.name !== 'leader') return { accepted: false, reason: 'not-leader', leader };
    if (role.transfer !== undefined) return { accepted: false, reason: 'transferring', leader };
    return appendOwn(core, role, kind, data);
  }

  /** The state within, for checks, descriptions and tests. Nobody changes it. */
  inspect(): Readonly<Core> {
    return this.#core;
  }
}
