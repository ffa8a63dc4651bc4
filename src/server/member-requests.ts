/** What operators change about the cluster itself: who belongs to it, and who leads. */
import { unreachable } from '../base/assert.ts';
import { peerId } from '../base/ids.ts';
import type {
  Membership,
  MembershipChange,
  MembershipRefusal,
  MembershipResult,
  MemberStatus,
  TransferOutcome,
} from '../peer/types.ts';
import type { ChangeMemberFrame, TransferLeadershipFrame } from '../protocol/client-frame.ts';
import type { ErrorCode } from '../protocol/error-code.ts';
import { MEMBER_CHANGES } from '../protocol/rows.ts';
import { RequestError } from './request-error.ts';
import { requireName } from './requests.ts';
import type { Session } from './session.ts';

/** Until a change that met another one may be asked for again, in ms. */
const RETRY_MS = 200;

/** Adds, promotes or removes a peer. @throws RequestError INVALID_ARGUMENT */
export function changeMember(session: Session, frame: ChangeMemberFrame): void {
  const { requestId } = frame;
  const { peer } = session.context;
  const change = changeOf(frame);
  if (!peer.isLeader) return session.refuseNotLeader(requestId);
  const lost = quorumLost(peer.self, peer.membership(), change);
  if (lost !== undefined) return session.refuse(requestId, 'QUORUM_AT_RISK', lost);
  session.context.ports.logger.info('a change of members was asked for', { change: change.type, peer: change.peer });
  peer.changeMembership(change, (result) => answerChange(session, frame, result));
}

/** Hands leadership over. @throws RequestError INVALID_ARGUMENT */
export function transferLeadership(session: Session, frame: TransferLeadershipFrame): void {
  const { requestId } = frame;
  const { peer } = session.context;
  if (frame.peer !== null) requireName(frame.peer, 'peer');
  if (!peer.isLeader) return session.refuseNotLeader(requestId);
  if (frame.peer === peer.self) return session.answer({ type: 'transferred', requestId, leader: peer.self });
  session.context.ports.logger.info('a hand-over was asked for', { to: frame.peer ?? 'anybody' });
  peer.transfer(frame.peer === null ? undefined : peerId(frame.peer), (outcome) =>
    answerTransfer(session, frame, outcome),
  );
}

function changeOf(frame: ChangeMemberFrame): MembershipChange {
  requireName(frame.peer, 'peer');
  const peer = peerId(frame.peer);
  const type = MEMBER_CHANGES[frame.change];
  if (frame.incarnation !== null && type !== 'add') {
    throw new RequestError('INVALID_ARGUMENT', 'only with "add" is there an incarnation');
  }
  switch (type) {
    case 'add':
      return frame.incarnation === null ? { type, peer } : { type, peer, incarnation: frame.incarnation };
    case 'promote':
    case 'remove':
      return { type, peer };
    case undefined:
      throw new RequestError('INVALID_ARGUMENT', 'there is no such change');
    default:
      return unreachable(type);
  }
}

/**
 * Why the cluster would accept nothing after `change`, or undefined. The change itself is committed by the voters that there are
 * after it; when too few of them are there, it never would be, and with it nothing else, until others come back.
 */
function quorumLost(self: string, { members }: Membership, change: MembershipChange): string | undefined {
  if (change.type === 'add') return undefined;
  const changed = members.find((one) => one.peer === change.peer);
  // Everything else that is wrong with the change is said by those who make it.
  if (changed === undefined || changed.votes === (change.type === 'promote')) return undefined;
  const voters = members.filter((one) => (one === changed ? change.type === 'promote' : one.votes));
  const able = voters.filter((one) => one.peer === self || isAble(one));
  if (voters.length === 0) return undefined;
  if (able.length * 2 > voters.length) return able.some((one) => !one.damaged) ? undefined : nobodyLeads(able);
  const missing = voters.filter((one) => !able.includes(one)).map((one) => one.peer);
  return (
    `of the ${voters.length} peers with a vote after this change only ${able.length} would be connected and up to date, too few to ` +
    `accept anything; bring back ${missing.join(', ')}, or remove what is gone for good first`
  );
}

/** A damaged peer votes and acknowledges, and leads nothing before others have made it whole: they must not go before that. */
function nobodyLeads(able: readonly MemberStatus[]): string {
  const damaged = able.map((one) => one.peer).join(', ');
  return `what is damaged at ${damaged} is being repaired, and nobody else could lead after this change; wait until that is done`;
}

function isAble(one: MemberStatus): boolean {
  return one.connected && one.state === 'replicate';
}

function answerChange(session: Session, frame: ChangeMemberFrame, result: MembershipResult): void {
  const { requestId } = frame;
  switch (result.type) {
    case 'done':
      return session.answer({ type: 'memberChanged', requestId, index: result.index });
    case 'unknown': {
      const words = 'the leader changed meanwhile; look at "taskraft cluster status" before asking again';
      return session.refuse(requestId, 'OUTCOME_UNKNOWN', words);
    }
    case 'refused': {
      if (result.reason === 'not-leader') return session.refuseNotLeader(requestId);
      const [code, words] = refusalOf(frame.peer, result.reason);
      return session.refuse(requestId, code, words, code === 'CHANGE_PENDING' ? { retryAfterMs: RETRY_MS } : {});
    }
  }
}

function answerTransfer(session: Session, frame: TransferLeadershipFrame, outcome: TransferOutcome): void {
  const { requestId } = frame;
  if (outcome.type === 'done') return session.answer({ type: 'transferred', requestId, leader: outcome.leader });
  const to = frame.peer ?? 'anybody';
  switch (outcome.reason) {
    case 'not-leader':
      return session.refuseNotLeader(requestId);
    case 'self':
      return session.answer({ type: 'transferred', requestId, leader: session.context.peer.self });
    case 'unknown-peer':
      return session.refuse(requestId, 'NOT_FOUND', `${to} is no member of the cluster`);
    case 'learner':
      return session.refuse(requestId, 'NOT_VOTER', `${to} has no vote and cannot lead; promote it first`);
    case 'damaged': {
      const words = `what ${to} lost to damage is not whole again yet, so it cannot lead; the leader leads on`;
      return session.refuse(requestId, 'TRANSFER_FAILED', words);
    }
    case 'no-successor':
      return session.refuse(requestId, 'TRANSFER_FAILED', 'no other peer with a vote is connected and up to date');
    case 'timeout':
      return session.refuse(requestId, 'TRANSFER_FAILED', `${to} did not take over in time; the leader leads on`);
  }
}

/** The code and the sentence for what the consensus core refused. */
function refusalOf(peer: string, reason: Exclude<MembershipRefusal, 'not-leader'>): readonly [ErrorCode, string] {
  switch (reason) {
    case 'transferring':
      return ['CHANGE_PENDING', 'leadership is being handed over; nothing was changed'];
    case 'change-pending':
      return ['CHANGE_PENDING', 'another change of members is under way; nothing was changed'];
    case 'term-not-open':
      return ['CHANGE_PENDING', 'the leader is new and has committed nothing of its own yet; nothing was changed'];
    case 'uncommitted-limit':
      return ['OVERLOADED', 'too much waits for a majority; nothing was changed'];
    case 'already-member':
      return ['ALREADY_MEMBER', `${peer} belongs to the cluster already`];
    case 'already-votes':
      return ['ALREADY_VOTER', `${peer} has a vote already`];
    case 'unknown-peer':
      return ['NOT_FOUND', `${peer} is no member of the cluster`];
    case 'not-caught-up':
      return ['NOT_CAUGHT_UP', `${peer} has not caught up yet; wait, and look at "taskraft cluster status"`];
    case 'last-voter':
      return ['LAST_VOTER', `${peer} is the last peer with a vote: without it there would be no cluster`];
    case 'too-many-members':
      return ['MEMBER_LIMIT', 'the cluster has as many members as it may have; remove one first'];
    case 'not-heard': {
      const how = `start it with an empty directory and a cluster.json that names it beside all members`;
      return ['NOT_HEARD', `${peer} is not connected to the leader as one that wants to join; ${how}`];
    }
    case 'feature-off': {
      const words =
        'a peer with a vote runs a version that cannot change members, or is not connected; bring all up to date';
      return ['FEATURE_OFF', words];
    }
    default:
      return unreachable(reason);
  }
}
