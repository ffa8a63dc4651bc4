import { assert } from '../base/assert.ts';
import type { Core } from './core.ts';
import type { Configuration, Member } from './configuration.ts';
import { MEMBERS_MAX } from './configuration.ts';
import type { Progress } from './progress.ts';
import type { Raft } from './raft.ts';
import type { Leader } from './role.ts';
import { EntryKind } from './types.ts';

/** One of each type to each member, and as many to those that are none any more or not yet. */
const PROMISES_MAX = 10 * 2 * MEMBERS_MAX;

/**
 * Stops when `raft` is in a state that no sequence of correct steps reaches. Cheap enough to call after every event of a
 * simulation: its cost is the number of voters and of distinct terms in the log, not of entries.
 *
 * @throws InvariantError
 */
export function checkInvariants(raft: Raft): void {
  const core = raft.inspect();
  checkLog(core);
  checkPositions(core);
  checkConfiguration(core);
  checkRole(core);
}

/** The log is contiguous, its terms never fall, and memory holds its end. */
function checkLog(core: Readonly<Core>): void {
  const { log } = core;
  const { firstIndex, lastIndex, memoryFirst, termRuns } = log;
  assert(firstIndex >= 1 && firstIndex <= lastIndex + 1, 'the log begins before it ends');
  assert(memoryFirst >= firstIndex && memoryFirst <= lastIndex + 1, 'memory holds the end of the log');
  assert(termRuns.length > 0 === lastIndex >= firstIndex, 'a log that holds entries knows their terms');
  let index = 0;
  let term = log.term(firstIndex - 1);
  for (let at = 0; at < termRuns.length; at += 1) {
    const run = termRuns[at] as { readonly index: number; readonly term: number };
    assert(at === 0 ? run.index <= firstIndex : run.index > index, 'runs of terms ascend by index');
    assert(at === 0 ? run.term >= term : run.term > term, 'runs of terms ascend by term');
    ({ index, term } = run);
  }
  assert(index <= lastIndex, 'the last run of terms is in the log');
  assert(log.lastTerm <= core.term, 'no entry is of a term yet to come');
  if (memoryFirst <= lastIndex) assert(log.entry(lastIndex).term === log.lastTerm, 'entries and runs of terms agree');
}

/** Applied, durable, committed and last stand in their order. */
function checkPositions(core: Readonly<Core>): void {
  const { applying, persistence, log, commitIndex } = core;
  assert(applying.appliedIndex <= applying.handedIndex, 'applied <= handed out');
  assert(applying.handedIndex <= commitIndex, 'handed out <= commit');
  assert(applying.handedIndex <= persistence.durableIndex, 'handed out <= durable');
  assert(applying.handedIndex >= log.firstIndex - 1, 'nothing unapplied was compacted');
  assert(commitIndex <= log.lastIndex, 'commit <= last');
  assert(persistence.durableIndex <= log.lastIndex, 'durable <= last');
  assert(persistence.durable.term <= core.term, 'the durable term is the present one or an older');
  assert(persistence.promisesWaiting <= PROMISES_MAX, 'promises are bounded');
  assert(core.forwarded.pending <= core.options.maxPendingReads, 'reads that wait for the leader are bounded');
}

/** The configuration in force is the newest of the log, and each of those kept is where the log has it. */
function checkConfiguration(core: Readonly<Core>): void {
  const { configurations, configuration, log, applying } = core;
  const { all } = configurations;
  assert(configuration === configurations.effective, 'the newest configuration of the log is in force');
  assert(configuration.index <= log.lastIndex, 'the configuration in force is in the log');
  assert(!core.votes || configuration.voters.includes(core.self), 'who votes is a voter');
  assert((all[0] as Configuration).index <= applying.appliedIndex, 'the configuration of what is applied is known');
  for (let at = 1; at < all.length; at += 1) {
    const before = all[at - 1] as Configuration;
    const after = all[at] as Configuration;
    assert(before.index < after.index, 'configurations ascend by index');
    if (after.index < log.memoryFirst) continue;
    assert(log.entry(after.index).kind === EntryKind.configuration, 'a configuration is an entry of the log');
  }
}

function checkRole(core: Readonly<Core>): void {
  const { role, persistence } = core;
  switch (role.name) {
    case 'follower':
      assert(core.leader !== core.self, 'a follower does not follow itself');
      break;
    case 'pre-candidate':
      assert(core.mayCampaign, 'a pre-candidate is whole and votes');
      assert(core.leader === undefined, 'a pre-candidate knows no leader');
      break;
    case 'candidate':
      assert(core.mayCampaign, 'a candidate is whole and votes');
      assert(core.leader === undefined, 'a candidate knows no leader');
      assert(core.hardState.votedFor === core.self, 'a candidate votes for itself');
      break;
    case 'leader':
      assert(core.leader === core.self, 'a leader is the leader it knows');
      assert(persistence.durable.term === core.term, 'a leader has its term on disk');
      assert(persistence.durable.votedFor === core.self, 'a leader has its own vote on disk');
      assert(role.uncommittedBytes >= 0, 'uncommitted bytes are not negative');
      assert(role.reads.pending <= core.options.maxPendingReads, 'pending reads are bounded');
      checkLeader(core, role);
      break;
  }
}

/** A leader counts exactly the members of its configuration, of which at most the newest is not committed. */
function checkLeader(core: Readonly<Core>, leader: Leader): void {
  const { configuration, configurations, commitIndex, self } = core;
  const others = configuration.members.filter((member) => member.peer !== self);
  assert(leader.peers.length === others.length, 'a leader has one progress for each other member');
  for (const [at, progress] of leader.peers.entries()) {
    const member = others[at] as Member;
    assert(progress.peer === member.peer && progress.votes === member.votes, 'progress and configuration agree');
    checkProgress(core, progress);
  }
  const own = configurations.all.filter((one) => one.index > Math.max(commitIndex, leader.termStartIndex));
  assert(own.length <= 1, 'a leader makes one configuration at a time');
  if (leader.transfer === undefined) return;
  assert(configuration.voters.includes(leader.transfer.to), 'leadership goes to a voter');
}

function checkProgress(core: Readonly<Core>, progress: Progress): void {
  const { options, log } = core;
  assert(progress.match < progress.next, () => `match < next for ${progress.peer}`);
  assert(progress.next <= log.lastIndex + 1, () => `next is in the log or right behind it for ${progress.peer}`);
  assert(progress.inflight.count <= options.maxInflightMessages, 'the window is bounded in messages');
  assert(progress.state === 'replicate' || progress.inflight.count === 0, 'only replication fills a window');
  assert(progress.inflight.count > 0 || progress.inflight.totalBytes === 0, 'an empty window holds no bytes');
}
