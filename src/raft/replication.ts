import { assert } from '../base/assert.ts';
import type { Core } from './core.ts';
import type { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import type { FetchRequest } from './ready.ts';
import type { Leader } from './role.ts';
import type { Entry } from './types.ts';

/**
 * What a leader sends. Appends are made when the host drains the core and not before, so that everything proposed and
 * acknowledged in between travels together: one append to a follower, with the newest commit index.
 */
export function sendDue(core: Core, leader: Leader): void {
  if (!leader.sendDue) return;
  leader.sendDue = false;
  for (const progress of leader.peers) {
    while (appendDue(core, progress) && sendAppend(core, progress)) {
      // The window takes as many messages as fit.
    }
  }
  beginReadRound(core, leader, false);
}

/** Tells every follower that its leader lives, what it is known to hold, how far it may apply, and which read round has begun. */
export function sendHeartbeats(core: Core, leader: Leader): void {
  leader.heartbeatElapsedTicks = 0;
  for (const progress of leader.peers) {
    const { match } = progress;
    core.messages.push({
      type: 'heartbeat',
      from: core.self,
      to: progress.peer,
      term: core.term,
      commit: Math.min(match, core.commitIndex),
      matchIndex: match,
      matchTerm: match >= core.log.firstIndex - 1 ? core.log.term(match) : 0,
      readRound: leader.reads.round,
      snapshotNeeded: progress.state === 'snapshot' ? core.log.firstIndex - 1 : 0,
    });
  }
}

/**
 * Begins a read round when reads wait. While one is on the way the next waits for it, so that rounds cost one heartbeat a
 * round trip however many reads come; `retry` begins another when the regular heartbeat goes out anyway.
 */
export function beginReadRound(core: Core, leader: Leader, retry: boolean): void {
  const { reads } = leader;
  if (!reads.waiting || (!reads.settled && !retry)) return;
  reads.begin();
  if (core.alone) confirmReads(core, leader);
  else sendHeartbeats(core, leader);
}

/** Releases the reads whose round a quorum has answered. The leader answers its own rounds at once. */
export function confirmReads(core: Core, leader: Leader): void {
  const { counted, reads } = leader;
  let count = 0;
  for (const progress of leader.peers) {
    if (!progress.votes) continue;
    counted[count] = progress.readRound;
    count += 1;
  }
  if (core.votes) {
    counted[count] = reads.round;
    count += 1;
  }
  assert(count === core.configuration.voters.length, 'every voter is counted, once');
  for (const { id, from, index } of reads.confirmed(quorumValue(counted, count))) {
    if (from === undefined) core.reads.push({ id, index });
    else
      core.messages.push({ type: 'read-index-response', from: core.self, to: from, term: core.term, round: id, index });
  }
  if (reads.waiting) leader.sendDue = true;
}

/**
 * Commits what a quorum holds durably, the leader's own copy counted like any other. Only an entry of the own term is
 * counted; older ones commit with it (Raft §5.4.2, figure 8).
 */
export function advanceCommit(core: Core, leader: Leader): void {
  const { counted } = leader;
  const { durableIndex } = core.persistence;
  let count = 0;
  for (const { match, votes } of leader.peers) {
    if (!votes) continue;
    counted[count] = match;
    count += 1;
  }
  // A leader that removes itself leads on, and no longer counts what it holds.
  if (core.votes) {
    counted[count] = durableIndex;
    count += 1;
  }
  assert(count === core.configuration.voters.length, 'every voter is counted, once');
  const index = quorumValue(counted, count);
  if (index <= core.commitIndex || core.log.term(index) !== core.term) return;
  const first = core.commitIndex < leader.termStartIndex;
  core.commitTo(index);
  leader.sendDue = true;
  if (first) leader.reads.committedOwnTerm(core.commitIndex);
}

/** The next read from storage that a follower needs, each follower in turn. */
export function fetchForPeer(core: Core, leader: Leader): FetchRequest | undefined {
  const count = leader.peers.length;
  for (let step = 0; step < count; step += 1) {
    const at = (core.fetchTurn + step) % count;
    const progress = leader.peers[at] as Progress;
    if (!progress.fetchDue) continue;
    progress.fetchDue = false;
    if (progress.next < core.log.firstIndex || progress.next >= core.log.memoryFirst) {
      // It moved since it asked.
      leader.sendDue = true;
      continue;
    }
    core.fetchTurn = at + 1;
    core.fetchSequence += 1;
    return {
      sequence: core.fetchSequence,
      from: progress.next,
      to: core.log.memoryFirst - 1,
      maxBytes: core.options.maxAppendBytes,
      forPeer: progress.peer,
    };
  }
  return undefined;
}

/** Sends entries that were read from storage, unless the follower moved on meanwhile. */
export function sendFetched(core: Core, leader: Leader, progress: Progress, entries: readonly Entry[]): void {
  leader.sendDue = true;
  if (progress.state === 'snapshot' || progress.paused || entries[0]?.index !== progress.next) return;
  // The read may be older than this leadership, and what it found overwritten since.
  if (!entries.every((entry) => core.log.matches(entry.index, entry.term))) return;
  send(core, progress, entries);
}

function appendDue(core: Core, progress: Progress): boolean {
  if (progress.paused) return false;
  if (progress.probeDue) return true;
  if (progress.state === 'snapshot') return false;
  const { lastIndex } = core.log;
  if (progress.next <= lastIndex) return !progress.fetchDue && core.fetchInFlight?.forPeer !== progress.peer;
  // A commit travels with the next entries or the next heartbeat; it gets a message of its own only when nothing follows.
  return progress.state === 'replicate' && core.commitIndex === lastIndex && progress.sentCommit < core.commitIndex;
}

/** Sends one append. False when nothing more can be sent to this follower now. */
function sendAppend(core: Core, progress: Progress): boolean {
  const { log, options } = core;
  const probing = progress.probeDue;
  progress.probeDue = false;
  if (progress.state === 'snapshot') {
    // What comes right before the first entry is the only thing that it can be asked for.
    progress.next = Math.max(log.firstIndex, progress.match + 1);
    send(core, progress, []);
    return false;
  }
  if (progress.next < log.firstIndex) {
    progress.becomeSnapshot(log.firstIndex);
    return false;
  }
  const wanted = progress.next <= log.lastIndex && !progress.inflight.full;
  if (wanted && progress.next < log.memoryFirst) {
    progress.fetchDue = core.fetchInFlight?.forPeer !== progress.peer;
    if (probing && progress.state === 'replicate') send(core, progress, []);
    return false;
  }
  send(core, progress, wanted ? log.slice(progress.next, log.lastIndex, options.maxAppendBytes) : []);
  return true;
}

function send(core: Core, progress: Progress, entries: readonly Entry[]): void {
  const prevLogIndex = progress.next - 1;
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  core.messages.push({
    type: 'append-entries',
    from: core.self,
    to: progress.peer,
    term: core.term,
    prevLogIndex,
    prevLogTerm: core.log.term(prevLogIndex),
    leaderCommit: core.commitIndex,
    entries,
  });
  progress.sentCommit = Math.max(progress.sentCommit, core.commitIndex);
  progress.sent(prevLogIndex + entries.length, entries.length, bytes);
}
