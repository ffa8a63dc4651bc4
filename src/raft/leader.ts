import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import type { Core } from './core.ts';
import { becomeFollower } from './core.ts';
import type { AppendAccepted, AppendRejected, HeartbeatResponse, Message } from './message.ts';
import { InflightWindow, Progress } from './progress.ts';
import { quorumOf } from './quorum.ts';
import { ReadRounds } from './read-index.ts';
import { advanceCommit, beginReadRound, confirmReads, sendHeartbeats } from './replication.ts';
import type { Leader, Transfer } from './role.ts';
import { EntryKind } from './types.ts';

const NO_DATA: Uint8Array = new Uint8Array(0);

/** A candidate won. It opens its term with an empty entry, by which everything before it can commit (Raft §8). */
export function becomeLeader(core: Core): void {
  assert(core.role.name === 'candidate', 'only a candidate becomes leader');
  const { durable } = core.persistence;
  assert(
    durable.term === core.term && durable.votedFor === core.self,
    'a leader cannot forget that it led: its term and vote are durable',
  );
  const { options, log } = core;
  const next = log.lastIndex + 1;
  core.role = {
    name: 'leader',
    peers: core.configuration.voters
      .filter((voter) => voter !== core.self)
      .map(
        (peer) => new Progress(peer, next, new InflightWindow(options.maxInflightMessages, options.maxInflightBytes)),
      ),
    termStartIndex: next,
    reads: new ReadRounds(options.maxPendingReads),
    transfer: undefined,
    uncommittedBytes: 0,
    heartbeatElapsedTicks: 0,
    sendDue: true,
  };
  core.leader = core.self;
  core.failedCampaigns = 0;
  core.leadershipChanged = true;
  core.append({ index: next, term: core.term, kind: EntryKind.noop, data: NO_DATA });
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
}

/** One tick of a leader: its heartbeats are due, its quorum or disk may be gone, and a transfer may have taken too long. */
export function tickLeader(core: Core, leader: Leader): void {
  const { electionTimeoutTicks, heartbeatIntervalTicks, persistTimeoutTicks } = core.options;
  leader.heartbeatElapsedTicks += 1;
  for (const progress of leader.peers) progress.silentTicks += 1;
  if (core.persistence.ticksInFlight >= persistTimeoutTicks || !hearsQuorum(core, leader)) {
    becomeFollower(core, core.term, undefined);
    return;
  }
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
  assert(progress !== undefined, 'leadership goes to another voter');
  if (leader.transfer?.to === to) return;
  leader.transfer = { to, elapsedTicks: 0, sent: false };
  leader.sendDue = true;
  finishTransfer(core, leader, leader.transfer, progress);
}

/**
 * The voter that would take over soonest: one that replicates, and was heard within an election timeout, with the most of the log;
 * among equals the first by id.
 */
export function bestSuccessor(core: Core, leader: Leader): PeerId | undefined {
  let best: Progress | undefined;
  for (const progress of leader.peers) {
    if (progress.state !== 'replicate' || progress.silentTicks >= core.options.electionTimeoutTicks) continue;
    if (best === undefined || progress.match > best.match) best = progress;
  }
  return best?.peer;
}

/** The progress of `peer`; `undefined` when it is no other voter. */
export function progressOf(leader: Leader, peer: PeerId): Progress | undefined {
  return leader.peers.find((progress) => progress.peer === peer);
}

function accepted(core: Core, leader: Leader, progress: Progress, message: AppendAccepted): void {
  // Nobody can hold more of our log than there is; such an answer is not one to ours.
  if (message.matchIndex > core.log.lastIndex) return;
  progress.silentTicks = 0;
  const news = progress.accepted(message.matchIndex);
  if (progress.state === 'probe' && message.matchIndex === progress.match) progress.becomeReplicate();
  if (progress.state === 'behind' && progress.match + 1 >= core.log.firstIndex) progress.becomeProbe();
  leader.sendDue = true;
  if (!news) return;
  advanceCommit(core, leader);
  if (leader.transfer?.to === progress.peer) finishTransfer(core, leader, leader.transfer, progress);
}

function rejected(core: Core, leader: Leader, progress: Progress, message: AppendRejected): void {
  progress.silentTicks = 0;
  let hint = message.hintIndex;
  if (message.hintTerm > 0) hint = core.log.lastAtMost(hint, message.hintTerm).index;
  if (progress.rejected(message.rejectedIndex, hint)) leader.sendDue = true;
}

function heartbeatAnswered(core: Core, leader: Leader, progress: Progress, message: HeartbeatResponse): void {
  progress.silentTicks = 0;
  // What was on the way may be lost. An append, empty when the window is full, finds out.
  if (progress.state !== 'behind') {
    progress.paused = false;
    if (progress.match < core.log.lastIndex || progress.state === 'probe') {
      progress.probeDue = true;
      leader.sendDue = true;
    }
  }
  if (message.readRound > progress.readRound && message.readRound <= leader.reads.round) {
    progress.readRound = message.readRound;
    confirmReads(core, leader);
  }
}

/** Check-quorum (thesis §6.2): a leader that a quorum cannot answer makes room for one that it can. */
function hearsQuorum(core: Core, leader: Leader): boolean {
  let heard = 1;
  for (const progress of leader.peers) {
    if (progress.silentTicks < core.options.electionTimeoutTicks) heard += 1;
  }
  return heard >= quorumOf(leader.peers.length + 1);
}

/** The target has everything: no further entry can come, so it wins if anybody does. */
function finishTransfer(core: Core, leader: Leader, transfer: Transfer, progress: Progress): void {
  if (transfer.sent || progress.match !== core.log.lastIndex) return;
  assert(leader.transfer === transfer, 'the transfer under way ends');
  transfer.sent = true;
  core.messages.push({ type: 'timeout-now', from: core.self, to: progress.peer, term: core.term });
}
