import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Core } from './core.ts';
import { becomeFollower } from './core.ts';
import { followersOf, progressOf } from './followers.ts';
import type { AppendAccepted, AppendRejected, HeartbeatResponse, Message, ReadIndexRequest } from './message.ts';
import type { Progress } from './progress.ts';
import { quorumOf } from './quorum.ts';
import { ReadRounds } from './read-index.ts';
import { advanceCommit, beginReadRound, confirmReads, sendHeartbeats } from './replication.ts';
import type { Leader, Transfer } from './role.ts';
import { EntryKind } from './types.ts';

const NO_DATA: Uint8Array = new Uint8Array(0);

/** What became of an entry that a leader was asked to append. */
export type AppendResult =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | { readonly accepted: false; readonly reason: 'uncommitted-limit'; readonly leader: PeerId | undefined };

/** A candidate won. It opens its term with an empty entry, by which everything before it can commit (Raft §8). */
export function becomeLeader(core: Core): void {
  assert(core.role.name === 'candidate', 'only a candidate becomes leader');
  const { durable } = core.persistence;
  assert(
    durable.term === core.term && durable.votedFor === core.self,
    'a leader cannot forget that it led: its term and vote are durable',
  );
  const next = core.log.lastIndex + 1;
  core.role = {
    name: 'leader',
    peers: followersOf(core, [], next),
    counted: [],
    olderCommit: next,
    newerCommit: next,
    commitMarkTicks: 0,
    termStartIndex: next,
    reads: new ReadRounds(core.options.maxPendingReads),
    transfer: undefined,
    uncommittedBytes: 0,
    heartbeatElapsedTicks: 0,
    sendDue: true,
  };
  core.follow(core.self);
  core.failedCampaigns = 0;
  core.leadershipChanged = true;
  core.append({ index: next, term: core.term, kind: EntryKind.noop, data: NO_DATA });
}

/** Appends an entry of the leader's own, unless too much waits to be applied. */
export function appendOwn(core: Core, leader: Leader, kind: EntryKind, data: Uint8Array): AppendResult {
  const bytes = leader.uncommittedBytes + data.length;
  // A single proposal over the limit must be possible, or it would be refused forever.
  if (leader.uncommittedBytes > 0 && bytes > core.options.maxUncommittedBytes) {
    return { accepted: false, reason: 'uncommitted-limit', leader: core.leader };
  }
  const index = core.log.lastIndex + 1;
  leader.uncommittedBytes = bytes;
  core.append({ index, term: core.term, kind, data });
  leader.sendDue = true;
  return { accepted: true, index, term: core.term };
}

/** A message of the leader's own term. */
export function stepLeader(core: Core, leader: Leader, message: Message): void {
  const progress = progressOf(leader, message.from);
  if (progress === undefined) return;
  const claimed = message.type === 'append-entries' || message.type === 'heartbeat' || message.type === 'timeout-now';
  assert(!claimed, () => `${message.from} leads term ${core.term} too`);
  // Late votes, and requests that a leader has nothing to do with, end here.
  if (message.type === 'append-accepted') accepted(core, leader, progress, message);
  else if (message.type === 'append-rejected') rejected(core, leader, progress, message);
  else if (message.type === 'heartbeat-response') heartbeatAnswered(core, leader, progress, message);
  else if (message.type === 'read-index-request') readIndexRequested(core, leader, message);
}

/** One tick of a leader: heartbeats are due, its quorum, disk or links may be gone, and a transfer may have taken too long. */
export function tickLeader(core: Core, leader: Leader): void {
  const { electionTimeoutTicks, heartbeatIntervalTicks, persistTimeoutTicks } = core.options;
  leader.heartbeatElapsedTicks += 1;
  for (const progress of leader.peers) progress.tick(core.log.lastIndex);
  if (core.persistence.ticksInFlight >= persistTimeoutTicks || !hearsQuorum(core, leader)) {
    becomeFollower(core, core.term, undefined);
    return;
  }
  if (!movesQuorum(core, leader)) {
    becomeFollower(core, core.term, undefined);
    // It has more of the log than others and would win again: they go first.
    core.electionTimeoutTicks += electionTimeoutTicks;
    return;
  }
  markCommit(core, leader);
  const { transfer } = leader;
  if (transfer !== undefined) {
    transfer.elapsedTicks += 1;
    if (transfer.elapsedTicks >= electionTimeoutTicks) leader.transfer = undefined;
  }
  if (leader.heartbeatElapsedTicks >= heartbeatIntervalTicks) {
    if (leader.reads.waiting) beginReadRound(core, leader, true);
    else sendHeartbeats(core, leader);
  }
}

/** The batch that the host acknowledged may be what was missing for a commit. */
export function leaderPersisted(core: Core, leader: Leader): void {
  advanceCommit(core, leader);
}

/** Begins to hand leadership to `to`, which is another voter. */
export function beginTransfer(core: Core, leader: Leader, to: PeerId): void {
  const progress = progressOf(leader, to);
  assert(progress?.votes === true, 'leadership goes to another voter');
  if (leader.transfer?.to === to) return;
  leader.transfer = { to, elapsedTicks: 0, sent: false };
  leader.sendDue = true;
  finishTransfer(core, leader, leader.transfer, progress);
}

/** Tells a voter to stand for election at once, with what it is known to hold. */
export function tellToCampaign(core: Core, progress: Progress): void {
  const { peer, match } = progress;
  core.messages.push({ type: 'timeout-now', from: core.self, to: peer, term: core.term, lastIndex: match });
}

function accepted(core: Core, leader: Leader, progress: Progress, message: AppendAccepted): void {
  // Nobody can hold more of our log than there is; such an answer is not one to ours.
  if (message.matchIndex > core.log.lastIndex) return;
  progress.silentTicks = 0;
  const news = progress.accepted(message.matchIndex);
  if (progress.state === 'probe' && message.matchIndex === progress.match) progress.becomeReplicate();
  if (progress.state === 'snapshot' && progress.match + 1 >= core.log.firstIndex) progress.becomeReplicate();
  leader.sendDue = true;
  if (!news) return;
  advanceCommit(core, leader);
  if (leader.transfer?.to === progress.peer) finishTransfer(core, leader, leader.transfer, progress);
}

function rejected(core: Core, leader: Leader, progress: Progress, message: AppendRejected): void {
  progress.silentTicks = 0;
  progress.damaged = message.damaged;
  let hint = message.hintIndex;
  let agreed = hint;
  if (message.hintTerm > 0) {
    const { index, term } = core.log.lastAtMost(hint, message.hintTerm);
    hint = index;
    // No term: not even what the log begins behind can be the same.
    agreed = term > 0 ? index : Math.max(0, index - 1);
  }
  // What damage has left may be an older log, whose entries were overwritten before: it counts no further than the two can agree.
  if (message.damaged && progress.lost(agreed)) {
    leader.sendDue = true;
    return;
  }
  if (progress.state === 'snapshot') {
    if (hint + 1 < core.log.firstIndex) return;
    progress.becomeProbe(hint + 1);
    leader.sendDue = true;
  } else if (progress.rejected(message.rejectedIndex, hint)) leader.sendDue = true;
}

function heartbeatAnswered(core: Core, leader: Leader, progress: Progress, message: HeartbeatResponse): void {
  progress.silentTicks = 0;
  progress.damaged = message.damaged;
  // What was on the way may be lost. An append, empty when the window is full, finds out.
  progress.paused = false;
  if (progress.match < core.log.lastIndex || progress.state !== 'replicate') {
    progress.probeDue = true;
    leader.sendDue = true;
  }
  if (message.readRound > progress.readRound && message.readRound <= leader.reads.round) {
    progress.readRound = message.readRound;
    confirmReads(core, leader);
  }
}

/** A follower or learner asks on behalf of its readers. It asks again when no answer comes, so too many may be passed over. */
function readIndexRequested(core: Core, leader: Leader, message: ReadIndexRequest): void {
  const { reads } = leader;
  if (reads.knows(message.round, message.from)) return;
  const index = core.commitIndex >= leader.termStartIndex ? core.commitIndex : undefined;
  if (reads.request(message.round, index, message.from)) leader.sendDue = true;
}

/** Remembers how far the commit index was, twice an election timeout. */
function markCommit(core: Core, leader: Leader): void {
  leader.commitMarkTicks += 1;
  if (leader.commitMarkTicks * 2 < core.options.electionTimeoutTicks) return;
  leader.commitMarkTicks = 0;
  leader.olderCommit = leader.newerCommit;
  leader.newerCommit = Math.max(leader.newerCommit, core.commitIndex);
}

/** Check-quorum (thesis §6.2): a leader that a quorum cannot answer makes room for one that it can. */
function hearsQuorum(core: Core, leader: Leader): boolean {
  let heard = core.votes ? 1 : 0;
  for (const progress of leader.peers) {
    if (progress.votes && progress.silentTicks < core.options.electionTimeoutTicks) heard += 1;
  }
  return heard >= quorumOf(core.configuration.voters.length);
}

/** A leader that a quorum answers, and that gets no entry to it, makes room for one that may. It watches its own disk apart. */
function movesQuorum(core: Core, leader: Leader): boolean {
  let moving = core.votes ? 1 : 0;
  for (const progress of leader.peers) {
    if (progress.votes && progress.stuckTicks < core.options.progressTimeoutTicks) moving += 1;
  }
  return moving >= quorumOf(core.configuration.voters.length);
}

/** The target has everything: no further entry can come, so it wins if anybody does. */
function finishTransfer(core: Core, leader: Leader, transfer: Transfer, progress: Progress): void {
  if (transfer.sent || progress.match !== core.log.lastIndex) return;
  assert(leader.transfer === transfer, 'the transfer under way ends');
  transfer.sent = true;
  // From here on it campaigns; what is taken meanwhile would only make its log the shorter one.
  transfer.elapsedTicks = 0;
  tellToCampaign(core, progress);
}
