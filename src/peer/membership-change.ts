/** Turns a wish to change who belongs to the cluster into a change of the configuration, or says why it cannot be. Pure. */
import type { ConfigurationChange } from '../raft/configuration.ts';
import { FEATURE_MEMBERSHIP } from './features.ts';
import { encodeMemberInfo } from './member-info.ts';
import type { MembershipBook } from './membership.ts';
import type { JoiningPeer, MembershipChange, MembershipRefusal } from './types.ts';

/** `joining` are those that could be added. */
export function changeFor(
  book: MembershipBook,
  change: MembershipChange,
  joining: readonly JoiningPeer[],
): ConfigurationChange | MembershipRefusal {
  if (book.applied.featureLevel < FEATURE_MEMBERSHIP) return 'feature-off';
  if (change.type !== 'add') return change;
  const wanted = joining.find(({ peer }) => peer === change.peer);
  const isMember = book.configuration.members.some(({ peer }) => peer === change.peer);
  if (wanted === undefined) return isMember ? 'already-member' : 'not-heard';
  // The operator means one data directory, and another one has come since.
  if (change.incarnation !== undefined && change.incarnation !== wanted.incarnation) return 'not-heard';
  return { type: 'add', peer: change.peer, info: encodeMemberInfo(wanted) };
}
