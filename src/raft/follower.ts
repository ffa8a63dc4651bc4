import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import { below } from '../base/random.ts';
import type { Core } from './core.ts';
import { becomeFollower } from './core.ts';
import { campaign, preCampaign } from './election.ts';
import { readIndexAnswered, tickForwardedReads } from './forwarded-reads.ts';
import type { AppendEntries, Heartbeat, Message, TimeoutNow } from './message.ts';

/** One tick of a follower: without a leader for long enough it asks whether it could be one, or knows at least that there is none. */
export function tickFollower(core: Core): void {
  core.electionElapsedTicks += 1;
  tickForwardedReads(core);
  if (core.electionElapsedTicks < core.electionTimeoutTicks) return;
  if (core.mayCampaign) preCampaign(core);
  else core.follow(undefined);
}

/** A message of the follower's own term. */
export function stepFollower(core: Core, message: Message): void {
  // Answers to requests of an earlier role end here.
  if (message.type === 'append-entries') appendRequested(core, message);
  else if (message.type === 'heartbeat') heartbeatReceived(core, message);
  else if (message.type === 'timeout-now') toldToCampaign(core, message);
  else if (message.type === 'read-index-response') readIndexAnswered(core, message);
}

/**
 * The leader's process was seen to be gone: whoever leads next need not wait for the election timeout. The follower
 * forgets its leader, which ends its stickiness, and asks for pre-votes after a short random time. A leader that lives
 * after all is followed again at its next message.
 */
export function forgetLeader(core: Core): void {
  if (core.role.name !== 'follower' || core.leader === undefined) return;
  core.follow(undefined);
  if (!core.mayCampaign) return;
  const wait = below(core.options.random, core.options.earlyElectionTicks + 1);
  core.electionTimeoutTicks = Math.min(core.electionTimeoutTicks, core.electionElapsedTicks + wait);
  if (wait === 0) preCampaign(core);
}

/** The consistency check and the append of Raft §5.3. Answers wait until what they vouch for is durable. */
function appendRequested(core: Core, message: AppendEntries): void {
  becomeFollower(core, message.term, message.from);
  const { prevLogIndex } = message;
  if (prevLogIndex < core.commitIndex) {
    // What is committed is never touched; the leader learns from where to go on.
    accept(core, message, core.commitIndex);
    return;
  }
  if (!core.log.matches(prevLogIndex, message.prevLogTerm)) {
    const hint = core.log.lastAtMost(prevLogIndex, message.prevLogTerm);
    core.persistence.promise({
      type: 'append-rejected',
      from: core.self,
      to: message.from,
      term: core.term,
      rejectedIndex: prevLogIndex,
      hintIndex: hint.index,
      hintTerm: hint.term,
      damaged: core.damage !== undefined,
    });
    // The leader holds nothing before this entry, and there our log is not its log.
    if (core.snapshotOffered > 0 && prevLogIndex === core.snapshotOffered) needSnapshot(core, message.from);
    return;
  }
  takeEntries(core, message);
  // A longer tail of ours is not vouched for, whatever it holds.
  const lastNewIndex = prevLogIndex + message.entries.length;
  core.commitTo(Math.min(Math.max(message.leaderCommit, core.commitIndex), Math.max(lastNewIndex, core.commitIndex)));
  accept(core, message, lastNewIndex);
}

/** Skips what the log has, cuts it at the first conflict, and appends the rest: a repeated or old append changes nothing. */
function takeEntries(core: Core, message: AppendEntries): void {
  for (const entry of message.entries) {
    if (entry.index <= core.log.lastIndex) {
      if (core.log.term(entry.index) === entry.term) continue;
      core.truncateFrom(entry.index);
    }
    core.append(entry);
  }
  core.trimMemory();
}

function accept(core: Core, message: AppendEntries, matchIndex: number): void {
  core.persistence.promise({
    type: 'append-accepted',
    from: core.self,
    to: message.from,
    term: core.term,
    matchIndex,
  });
}

function heartbeatReceived(core: Core, message: Heartbeat): void {
  becomeFollower(core, message.term, message.from);
  const { lastIndex } = core.log;
  // The leader commits at most what this peer acknowledged to it, and that is still here unless damage took it.
  assert(message.commit <= lastIndex || core.damage !== undefined, 'this peer holds what it acknowledged');
  // What damage has left may be an older log than the one that was acknowledged, with entries that were overwritten since: nothing of
  // it is committed before an append has found it right.
  if (core.damage === undefined) core.commitTo(message.commit);
  core.snapshotOffered = message.snapshotNeeded;
  // A log that reaches so far may agree with the leader's; the next append finds out.
  if (lastIndex < message.snapshotNeeded) needSnapshot(core, message.from);
  core.messages.push({
    type: 'heartbeat-response',
    from: core.self,
    to: message.from,
    term: core.term,
    readRound: message.readRound,
    damaged: core.damage !== undefined || core.stateMissing,
  });
}

/** No entry of the leader's can be put behind ours: the host must fetch a checkpoint. */
function needSnapshot(core: Core, from: PeerId): void {
  core.snapshotNeeded = { from, atLeast: core.snapshotOffered };
}

/** The leader hands over (thesis §3.10). Without pre-vote: the leader itself wants it. */
function toldToCampaign(core: Core, message: TimeoutNow): void {
  // Only the leader of the term may say so; a late message finds another one, or a term that ended.
  if (core.leader !== undefined && core.leader !== message.from) return;
  // It started anew since the leader saw it, and lost something, or belongs to the cluster no more.
  if (!core.mayCampaign || core.persistence.durableIndex < message.lastIndex) return;
  campaign(core, true);
}
