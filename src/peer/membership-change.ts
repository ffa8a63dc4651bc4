/** Turns a wish to change who belongs to the cluster into a change of the configuration, or says why it cannot be. Pure. */
import type { PeerId } from '../base/ids.ts';
import type { ConfigurationChange } from '../raft/configuration.ts';
import { FEATURE_MEMBERSHIP } from './features.ts';
import { encodeMemberInfo } from './member-info.ts';
import type { MembershipBook } from './membership.ts';
import type { MembershipChange, MembershipRefusal } from './types.ts';

/** `connected` are those that are connected and no members. */
export function changeFor(
  book: MembershipBook,
  change: MembershipChange,
  connected: readonly PeerId[],
): ConfigurationChange | MembershipRefusal {
  if (book.applied.featureLevel < FEATURE_MEMBERSHIP) return 'feature-off';
  if (change.type !== 'add') return change;
  const joining = book.joining(connected).find(({ peer }) => peer === change.peer);
  const isMember = book.configuration.members.some(({ peer }) => peer === change.peer);
  if (joining === undefined) return isMember ? 'already-member' : 'not-heard';
  // The operator means one data directory, and another one has come since.
  if (change.incarnation !== undefined && change.incarnation !== joining.incarnation) return 'not-heard';
  return { type: 'add', peer: change.peer, info: encodeMemberInfo(joining) };
}
