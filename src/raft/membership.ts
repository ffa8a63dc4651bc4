import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { ChangeProblem, ConfigurationChange } from './configuration.ts';
import { changeMembers, encodeMembers } from './configuration.ts';
import type { Core } from './core.ts';
import { becomeFollower } from './core.ts';
import { bestSuccessor, followersOf, progressOf } from './followers.ts';
import { appendOwn, tellToCampaign } from './leader.ts';
import type { Progress } from './progress.ts';
import { advanceCommit, confirmReads, sendDue } from './replication.ts';
import type { Leader } from './role.ts';
import { EntryKind } from './types.ts';

/** What became of the wish to change the configuration. An accepted change is in force, and lasts once its entry is committed. */
export type ChangeResult =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | {
      readonly accepted: false;
      /**
       * `change-pending`: the last change is not committed. `term-not-open`: the leader has committed nothing of its own term yet,
       * ask again. `not-caught-up`: the learner lacks something older than an election timeout. The others as they say.
       */
      readonly reason:
        | 'not-leader'
        | 'transferring'
        | 'change-pending'
        | 'term-not-open'
        | 'not-caught-up'
        | 'uncommitted-limit'
        | ChangeProblem;
      /** Who leads, as far as known. */
      readonly leader: PeerId | undefined;
    };

/** Makes the next configuration, when the state of the leader and of the cluster allows it. */
export function changeConfiguration(core: Core, leader: Leader, change: ConfigurationChange): ChangeResult {
  const refused = problemOf(core, leader, change);
  if (refused !== undefined) return { accepted: false, reason: refused, leader: core.leader };
  const members = changeMembers(core.configuration, change);
  if (typeof members === 'string') return { accepted: false, reason: members, leader: core.leader };
  // Whoever is removed cannot take over; if it was told to already, that comes to nothing or to a new leader, as it may any time.
  if (leader.transfer?.to === change.peer) leader.transfer = undefined;
  const result = appendOwn(core, leader, EntryKind.configuration, encodeMembers(members));
  if (result.accepted) adoptConfiguration(core, leader);
  return result;
}

/**
 * Hands over and steps down when the leader's own removal is committed: it led until then, though it no longer counted itself
 * (thesis §4.2.2). Whoever has most of the log is told to campaign at once, so that nobody waits for an election timeout.
 */
export function leaveWhenRemoved(core: Core, leader: Leader): void {
  if (core.votes || core.configuration.index > core.commitIndex) return;
  const successor = bestSuccessor(core, leader);
  if (successor !== undefined) {
    tellToCampaign(core, successor);
    // Whoever hears of the commit lets a removed peer in no more, and might not hear the rest.
    successor.paused = true;
  }
  sendDue(core, leader);
  becomeFollower(core, core.term, undefined);
}

/** What stands in the way of any change, or of this one, now. */
function problemOf(
  core: Core,
  leader: Leader,
  change: ConfigurationChange,
): 'not-leader' | 'transferring' | 'change-pending' | 'term-not-open' | 'not-caught-up' | undefined {
  // Its own removal is committed; it leaves with the next `Ready`.
  if (!core.votes && core.configuration.index <= core.commitIndex) return 'not-leader';
  const { transfer } = leader;
  // Removing the target is the way out of a transfer to a peer that is gone.
  if (transfer !== undefined && !(change.type === 'remove' && change.peer === transfer.to)) return 'transferring';
  // A leader that has committed nothing in its term may act on a configuration that an older leader's is about to overrule, and a
  // majority of the one need not meet a majority of the other (Ongaro, raft-dev, July 2015).
  if (core.commitIndex < leader.termStartIndex) return 'term-not-open';
  if (core.configuration.index > core.commitIndex) return 'change-pending';
  if (change.type !== 'promote') return undefined;
  const progress = progressOf(leader, change.peer);
  const caughtUp = progress === undefined || progress.votes || keepsPace(core, leader, progress);
  return caughtUp ? undefined : 'not-caught-up';
}

/**
 * A learner that becomes a voter counts from then on: if it still had much to fetch, what it is needed for would wait. It keeps
 * pace when it was heard within an election timeout and lacks nothing that was committed before that, its own addition included.
 */
function keepsPace(core: Core, leader: Leader, progress: Progress): boolean {
  return (
    progress.state === 'replicate' &&
    progress.silentTicks < core.options.electionTimeoutTicks &&
    progress.match >= leader.olderCommit &&
    progress.match >= core.configuration.index
  );
}

/** The leader goes by the new configuration at once: with fewer voters, what waits may have its majority already. */
function adoptConfiguration(core: Core, leader: Leader): void {
  leader.peers = followersOf(core, leader.peers, core.log.lastIndex + 1);
  assert(leader.transfer === undefined, 'no change while leadership is handed over');
  leader.sendDue = true;
  advanceCommit(core, leader);
  confirmReads(core, leader);
}
