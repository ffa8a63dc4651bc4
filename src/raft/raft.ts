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
 *   4. apply `committed` in order and call `applied`; answer `fetch` by `fetched`; complete `reads` once their index is applied.
 *
 * ```
 *                 timeout                   quorum could vote                 quorum voted
 *   follower ───────────────▶ pre-candidate ────────────────▶ candidate ─────────────────▶ leader
 *      ▲  │                        │    ▲                      │  │  ▲                       │
 *      │  └── told to campaign ────│────│──────────────────────┘  │  │                       │
 *      │                           │    └──────── timeout ────────┘  │                       │
 *      └───────────────────────────┴─────────────────────────────────┴───────────────────────┘
 *        another leads, a later term, a quorum refused; a leader also: no quorum heard, own disk hangs
 * ```
 *
 * Invariants, checked by `checkInvariants`: match < next for every follower; applied <= handed out <= min(commit,
 * durable); durable <= last; commit, term and match never fall; nobody leads a term that its own disk does not know.
 *
 * Not here: changes of the configuration, learners, snapshots. Reads are for the leader. No leases: nothing depends on clocks.
 */
import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import { Core, becomeFollower } from './core.ts';
import {
  candidatePersisted,
  preVoteAnswered,
  preVoteRequested,
  tickCandidate,
  voteAnswered,
  voteRequested,
} from './election.ts';
import { forgetLeader, stepFollower, tickFollower } from './follower.ts';
import { beginTransfer, bestSuccessor, leaderPersisted, progressOf, stepLeader, tickLeader } from './leader.ts';
import type { Message } from './message.ts';
import type { RaftOptions } from './options.ts';
import { validateRaftOptions } from './options.ts';
import type { FetchRequest, PersistAck, Ready } from './ready.ts';
import { fetchForPeer, leaveBehind, sendDue, sendFetched } from './replication.ts';
import type { RaftStatus } from './status.ts';
import { statusOf } from './status.ts';
import type { Entry, RaftRestored, RoleName } from './types.ts';
import { EntryKind } from './types.ts';

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
      /** `self`: a transfer under way, if any, was called off. `no-successor`: no voter that could take over was heard of late. */
      readonly reason: 'not-leader' | 'self' | 'unknown-peer' | 'no-successor';
    };

const NOTHING: readonly never[] = [];

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

  /** Every voter holds the log up to here, as last known. The host keeps it across restarts and compacts no further. */
  get lowestMatchIndex(): LogIndex {
    return this.#core.lowestMatchIndex;
  }

  status(): RaftStatus {
    return statusOf(this.#core);
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
    const core = this.#core;
    const { role, leader } = core;
    if (role.name !== 'leader') return { accepted: false, reason: 'not-leader', leader };
    if (role.transfer !== undefined) return { accepted: false, reason: 'transferring', leader };
    const bytes = role.uncommittedBytes + data.length;
    // A single proposal over the limit must be possible, or it would be refused forever.
    if (role.uncommittedBytes > 0 && bytes > core.options.maxUncommittedBytes) {
      return { accepted: false, reason: 'uncommitted-limit', leader };
    }
    const index = core.log.lastIndex + 1;
    role.uncommittedBytes = bytes;
    core.append({ index, term: core.term, kind: EntryKind.command, data });
    role.sendDue = true;
    return { accepted: true, index, term: core.term };
  }

  /**
   * Asks for an index at which a read is as fresh as now (thesis §6.4). The answer is in `reads` or `readsLost` of a later
   * `Ready`, under `id`, which may repeat. `overloaded`: `maxPendingReads` wait already.
   */
  requestRead(id: number): 'queued' | 'not-leader' | 'overloaded' {
    const { role, commitIndex } = this.#core;
    if (role.name !== 'leader') return 'not-leader';
    const committedOwnTerm = commitIndex >= role.termStartIndex;
    if (!role.reads.request(id, committedOwnTerm ? commitIndex : undefined)) return 'overloaded';
    role.sendDue = true;
    return 'queued';
  }

  /**
   * Hands leadership to `to`, or to the voter that can take over soonest (thesis §3.10). Proposals are refused until it
   * led or one election timeout has passed. Another target replaces the first; this peer itself calls the transfer off.
   */
  transferLeadership(to: PeerId | 'best'): TransferResult {
    const core = this.#core;
    const { role } = core;
    if (role.name !== 'leader') return { started: false, reason: 'not-leader' };
    if (to === core.self) {
      role.transfer = undefined;
      return { started: false, reason: 'self' };
    }
    const target = to === 'best' ? bestSuccessor(core, role) : to;
    if (target === undefined) return { started: false, reason: 'no-successor' };
    if (progressOf(role, target) === undefined) return { started: false, reason: 'unknown-peer' };
    beginTransfer(core, role, target);
    return { started: true, to: target };
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
      core.readsLost.length > 0
    );
  }

  /** What is to be done, each thing once. Empty when nothing is. */
  ready(): Ready {
    const core = this.#core;
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
    };
    if (core.messages.length > 0) core.messages = [];
    if (core.reads.length > 0) core.reads = [];
    if (core.readsLost.length > 0) core.readsLost = [];
    core.leadershipChanged = false;
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
  }

  /**
   * Answers `request`: entries from `request.from` on, at least one, or `compacted` when storage no longer has that one,
   * of which `compacted` has told before.
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
    else if (progress.next < core.log.firstIndex) leaveBehind(core, progress);
  }

  /** The host applied everything up to `index`. */
  applied(index: LogIndex): void {
    const core = this.#core;
    const bytes = core.applying.applied(index, core.term);
    const { role } = core;
    if (role.name === 'leader') role.uncommittedBytes = Math.max(0, role.uncommittedBytes - bytes);
  }

  /** Storage no longer has entries before `firstIndex`, all of which were applied and in a checkpoint. */
  compacted(firstIndex: LogIndex): void {
    const core = this.#core;
    assert(firstIndex <= core.applying.appliedIndex + 1, 'only what was applied is compacted');
    core.log.compactTo(firstIndex);
  }

  /** The state within, for checks, descriptions and tests. Nobody changes it. */
  inspect(): Readonly<Core> {
    return this.#core;
  }
}

/** A message of the own term goes to the role. Returns nothing: what follows is in the state. */
function stepTerm(core: Core, message: Message): void {
  if (message.type === 'vote-request') {
    voteRequested(core, message);
    return;
  }
  const { role } = core;
  if (role.name === 'leader') {
    stepLeader(core, role, message);
  } else if (role.name === 'follower') {
    stepFollower(core, message);
  } else if (message.type === 'append-entries' || message.type === 'heartbeat') {
    // Somebody else won this term (Raft §5.2).
    becomeFollower(core, message.term, message.from);
    stepFollower(core, message);
  } else if (message.type === 'vote-response') {
    voteAnswered(core, role, message);
  }
}

/** A message of a later term ends the present one. False when it is to be ignored. */
function enterLaterTerm(core: Core, message: Message): boolean {
  if (message.type === 'vote-request' && !message.transfer && core.hearsLeader() && message.from !== core.leader) {
    // Who still hears a leader lets nobody depose it, not even by a later term.
    return false;
  }
  const leads = message.type === 'append-entries' || message.type === 'heartbeat' || message.type === 'timeout-now';
  becomeFollower(core, message.term, leads ? message.from : undefined);
  return true;
}

/**
 * A leader of an older term learns of the present one. Its messages cannot be dropped: with stickiness in force, a peer
 * at a later term would be ignored by all, and ignore the leader itself.
 */
function answerOldTerm(core: Core, message: Message): void {
  if (message.type !== 'append-entries' && message.type !== 'heartbeat') return;
  core.persistence.promise({
    type: 'append-rejected',
    from: core.self,
    to: message.from,
    term: core.term,
    rejectedIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function canApply(core: Core): boolean {
  const { applying, log, persistence } = core;
  if (applying.fetchedCount > 0) return true;
  if (applying.roomBytes <= 0 || applying.handedIndex >= Math.min(core.commitIndex, persistence.durableIndex))
    return false;
  return applying.handedIndex + 1 >= log.memoryFirst || core.fetchInFlight === undefined;
}

function takeCommitted(core: Core): readonly Entry[] {
  if (!canApply(core)) return NOTHING;
  const { applying, log } = core;
  let entries: readonly Entry[] = applying.takeFetched();
  if (entries.length === 0 && applying.handedIndex + 1 >= log.memoryFirst) {
    const to = Math.min(core.commitIndex, core.persistence.durableIndex);
    entries = log.slice(applying.handedIndex + 1, to, applying.roomBytes);
  }
  if (entries.length > 0) applying.handOut(entries, core.term);
  return entries;
}

/** Entries to apply are asked for first: they are old only after a start. */
function takeFetch(core: Core): FetchRequest | undefined {
  if (core.fetchInFlight !== undefined) return undefined;
  const { applying, log, role } = core;
  const from = applying.handedIndex + 1;
  const to = Math.min(core.commitIndex, core.persistence.durableIndex, log.memoryFirst - 1);
  if (from <= to && applying.roomBytes > 0 && applying.fetchedCount === 0) {
    core.fetchSequence += 1;
    const maxBytes = applying.roomBytes;
    core.fetchInFlight = { sequence: core.fetchSequence, from, to, maxBytes, forPeer: undefined };
  } else if (role.name === 'leader') {
    core.fetchInFlight = fetchForPeer(core, role);
  }
  return core.fetchInFlight;
}

function fetchWaits(core: Core): boolean {
  return core.role.name === 'leader' && core.role.peers.some((progress) => progress.fetchDue);
}

/** What storage gives is what the log had: the terms are known. */
function checkFetched(core: Core, request: FetchRequest, entries: readonly Entry[]): void {
  assert(
    entries.length > 0 && entries.length <= request.to - request.from + 1,
    'a fetch is answered by at least one entry',
  );
  for (const [at, entry] of entries.entries()) {
    assert(entry.index === request.from + at, 'fetched entries are contiguous');
    if (entry.index < core.log.firstIndex) continue;
    // What was read for a follower may have been overwritten since, by another leader; what is committed may not.
    assert(
      request.forPeer !== undefined || core.log.matches(entry.index, entry.term),
      'a fetched entry is the one of the log',
    );
  }
}
