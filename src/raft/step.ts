import type { Core } from './core.ts';
import { becomeFollower } from './core.ts';
import { voteAnswered, voteRequested } from './election.ts';
import { stepFollower } from './follower.ts';
import { stepLeader } from './leader.ts';
import type { Message } from './message.ts';

/** A message of the own term goes to the role. */
export function stepTerm(core: Core, message: Message): void {
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
export function enterLaterTerm(core: Core, message: Message): boolean {
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
export function answerOldTerm(core: Core, message: Message): void {
  if (message.type !== 'append-entries' && message.type !== 'heartbeat') return;
  core.persistence.promise({
    type: 'append-rejected',
    from: core.self,
    to: message.from,
    term: core.term,
    rejectedIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
    damaged: false,
  });
}
