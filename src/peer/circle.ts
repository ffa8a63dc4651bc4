/**
 * Tells the transport whom to talk to, when that changes: by the membership, not by the file.
 *
 * One that has another data directory under the same name is another peer: what the old one has open is ended before the new one is
 * let in, though the name stays.
 */
import type { PeerId } from '../base/ids.ts';
import type { Transport } from '../transport/transport.ts';
import type { MembershipBook } from './membership.ts';

/** See the head of this file. */
export class Circle {
  readonly #transport: Transport;
  /** What the transport was told last, as text; and the incarnation of each peer. */
  #told = '';
  #incarnations: ReadonlyMap<PeerId, string | undefined> = new Map();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Looks whether the transport has to hear something. Not to be called within a call of the transport. */
  follow(membership: MembershipBook): void {
    const peers = membership.peers();
    const incarnations = new Map(peers.map(({ peer }) => [peer, membership.infoOf(peer).incarnation]));
    const lines = peers.map(({ peer, url }) => `${peer} ${incarnations.get(peer) ?? ''} ${url}`);
    // A change that is applied counts though it leaves the peers as they are: one that was removed is told so only from then on.
    const told = [`${membership.applied.index}`, ...lines].join('\n');
    if (told === this.#told) return;
    const replaced = new Set<PeerId>();
    for (const [peer, incarnation] of incarnations) {
      const before = this.#incarnations.get(peer);
      if (before !== undefined && incarnation !== undefined && before !== incarnation) replaced.add(peer);
    }
    this.#told = told;
    this.#incarnations = incarnations;
    if (replaced.size > 0) this.#transport.setPeers(peers.filter(({ peer }) => !replaced.has(peer)));
    this.#transport.setPeers(peers);
  }
}
