import { assert } from '../base/assert.ts';
import type { Core } from './core.ts';
import type { Progress } from './progress.ts';
import type { Raft } from './raft.ts';

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
  for (const [at, run] of termRuns.entries()) {
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
  assert(core.lowestMatchIndex <= persistence.durableIndex, 'what every voter holds is durable here');
  assert(persistence.promisesWaiting <= 10 * core.configuration.voters.length, 'promises are bounded');
}

function checkRole(core: Readonly<Core>): void {
  const { role, persistence } = core;
  switch (role.name) {
    case 'follower':
      assert(core.leader !== core.self, 'a follower does not follow itself');
      break;
    case 'pre-candidate':
      assert(core.leader === undefined, 'a pre-candidate knows no leader');
      break;
    case 'candidate':
      assert(core.leader === undefined, 'a candidate knows no leader');
      assert(core.hardState.votedFor === core.self, 'a candidate votes for itself');
      break;
    case 'leader':
      assert(core.leader === core.self, 'a leader is the leader it knows');
      assert(persistence.durable.term === core.term, 'a leader has its term on disk');
      assert(persistence.durable.votedFor === core.self, 'a leader has its own vote on disk');
      assert(role.uncommittedBytes >= 0, 'uncommitted bytes are not negative');
      assert(role.reads.pending <= core.options.maxPendingReads, 'pending reads are bounded');
      for (const progress of role.peers) checkProgress(core, progress);
      break;
  }
}

function checkProgress(core: Readonly<Core>, progress: Progress): void {
  const { options, log } = core;
  assert(progress.match < progress.next, () => `match < next for ${progress.peer}`);
  assert(progress.next <= log.lastIndex + 1, () => `next is in the log or right behind it for ${progress.peer}`);
  assert(progress.inflight.count <= options.maxInflightMessages, 'the window is bounded in messages');
  assert(progress.state === 'replicate' || progress.inflight.count === 0, 'only replication fills a window');
  assert(progress.inflight.count > 0 || progress.inflight.totalBytes === 0, 'an empty window holds no bytes');
}
