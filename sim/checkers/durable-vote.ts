import type { PeerId, Term } from '../../src/base/ids.ts';
import type { Message } from '../../src/raft/message.ts';
import type { HardState } from '../../src/raft/types.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/**
 * A peer votes for one candidate in a term, over all its starts, and the vote is on its disk before anybody hears of it: the
 * granted vote of another, and the request of a candidate, who has voted for itself. Once there it stays for as long as the term
 * does, also while nobody asks a second time: a disk that no longer knows of it is a second vote that waits for its question. So is a
 * peer that starts without it. HEAD has it, too: of a log the end may be lost.
 */
export class DurableVote extends PropertyChecker {
  override readonly name = 'durable-vote';
  readonly #seen = new Map<string, { readonly term: Term; readonly votedFor: PeerId }>();
  readonly #votes = new Map<string, PeerId>();
  /** By life: the newest vote of which anybody was told. */
  readonly #told = new Map<string, { readonly term: Term; readonly votedFor: PeerId }>();

  readonly #headOf: (peer: PeerView) => HardState | undefined;

  /** `headOf`: what HEAD says on the disk of a peer; undefined where nobody looks at it. */
  constructor(cluster: ClusterView, headOf: (peer: PeerView) => HardState | undefined = () => undefined) {
    super(cluster);
    this.#headOf = headOf;
  }

  restarted(peer: PeerView): void {
    const told = this.#told.get(peer.life);
    const hardState = peer.raft?.inspect().hardState;
    if (told === undefined || hardState === undefined || peer.stranger) return;
    this.compare(
      hardState.term > told.term || (hardState.term === told.term && hardState.votedFor === told.votedFor),
      () =>
        `${peer.id} starts in term ${hardState.term} with a vote for ${hardState.votedFor ?? 'nobody'}, and has told ` +
        `${told.votedFor} that it has its vote in term ${told.term}`,
    );
  }

  sent(peer: PeerView, message: Message): void {
    if (message.type === 'vote-request') this.#voted(peer, message.term, peer.id);
    else if (message.type === 'vote-response' && message.granted) this.#voted(peer, message.term, message.to);
  }

  moved(peer: PeerView, _change: LogChange): void {
    const { term, votedFor } = peer.durable;
    const seen = this.#seen.get(peer.life);
    if (votedFor === undefined) {
      this.compare(seen?.term !== term, () => `${peer.id} took its vote in term ${term} back`);
      return;
    }
    if (seen?.term === term && seen.votedFor === votedFor) return;
    this.#seen.set(peer.life, { term, votedFor });
    this.#once(peer, term, votedFor);
  }

  #voted(peer: PeerView, term: Term, candidate: PeerId): void {
    const { durable } = peer;
    this.compare(
      durable.term > term || (durable.term === term && durable.votedFor === candidate),
      () =>
        `${peer.id} speaks of its vote for ${candidate} in term ${term}, and its disk says ` +
        `${durable.votedFor ?? 'nobody'} in term ${durable.term}`,
    );
    const head = this.#headOf(peer);
    this.compare(
      head === undefined || head.term > term || (head.term === term && head.votedFor === candidate),
      () => `${peer.id} speaks of its vote for ${candidate} in term ${term}, of which HEAD on its disk does not know`,
    );
    this.#once(peer, term, candidate);
    this.#told.set(peer.life, { term, votedFor: candidate });
  }

  #once(peer: PeerView, term: Term, candidate: PeerId): void {
    const key = `${peer.life}/${term}`;
    const known = this.#votes.get(key);
    if (known === undefined) this.#votes.set(key, candidate);
    else this.compare(known === candidate, () => `${peer.id} voted for ${known} and for ${candidate} in term ${term}`);
  }
}
