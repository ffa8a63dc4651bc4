/** Who belongs to the cluster, as clients hear of it: names and client URLs, and an operator's view of each member. */
import { formatAddress } from '../config/cluster-config.ts';
import type { Membership, MemberStatus, PeerAddresses } from '../peer/types.ts';
import { CONNECT_PATH } from '../protocol/protocol.ts';
import type { MembershipRow, PeerRow } from '../protocol/rows.ts';
import type { ClientAddress } from './context.ts';

/** Where clients reach the peer with these addresses. */
export function clientUrl(addresses: PeerAddresses): string {
  return `ws://${formatAddress(addresses.client)}${CONNECT_PATH}`;
}

/**
 * All members with their client URLs, by id. A member whose address the log does not tell has the one of `first`, the members of
 * the file; one that neither tells is left out, since nobody could dial it.
 */
export function peerRows(
  members: readonly Pick<MemberStatus, 'peer' | 'addresses'>[],
  first: readonly ClientAddress[],
): PeerRow[] {
  // Before the directory is open nothing is known but the file.
  if (members.length === 0) return first.map(({ peer, url }) => [peer, url] as const);
  const rows: PeerRow[] = [];
  for (const { peer, addresses } of members) {
    const url = addresses === undefined ? first.find((one) => one.peer === peer)?.url : clientUrl(addresses);
    if (url !== undefined) rows.push([peer, url]);
  }
  return rows;
}

/** Everything that is known of the members and of those that want to become one. */
export function membershipRow({ index, committed, members, joining }: Membership): MembershipRow {
  return [
    index,
    committed,
    members.map((one) => [
      one.peer,
      one.votes,
      one.incarnation ?? null,
      one.addresses === undefined ? null : clientUrl(one.addresses),
      one.state ?? null,
      one.matchIndex ?? null,
      one.connected,
      one.damaged,
      one.spaceLow,
    ]),
    joining.map((one) => [one.peer, one.incarnation, clientUrl(one.addresses), one.replaces]),
  ];
}
