import type { ConfigurationBook } from '../configuration-book.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/**
 * A learner is made a voter only when it has on its disk what the leader holds, its own addition included (thesis §4.2.1): from then on
 * it counts, and what it is needed for would wait for all that it lacks. Tried when the leader puts the change into its log.
 */
export class Promotion extends PropertyChecker {
  override readonly name = 'promotion';
  readonly #book: ConfigurationBook;
  /** Changes that were looked at: the newest index of each peer's log. */
  readonly #looked = new Map<string, number>();

  constructor(cluster: ClusterView, book: ConfigurationBook) {
    super(cluster);
    this.#book = book;
  }

  moved(peer: PeerView, { newLast }: LogChange): void {
    const { raft, log } = peer;
    if (raft?.role !== 'leader') return;
    const now = this.#book.newest(log, newLast + 1);
    if (now === undefined || now.index === 0 || this.#looked.get(peer.id) === now.index) return;
    this.#looked.set(peer.id, now.index);
    if (log.linkAt(now.index)?.term !== raft.term) return;
    const before = this.#book.newest(log, now.index);
    for (const id of now.voters) {
      if (before?.learners.includes(id) !== true) continue;
      const learner = this.cluster.peers.find((one) => one.id === id);
      this.compare(
        learner?.durable.vouchesFor(before.index, log.chainAt(before.index)) === true,
        () =>
          `${peer.id} gives ${id} a vote at ${now.index}, whose disk ends at ${learner?.durable.lastIndex}, before its own addition at ${before.index}`,
      );
    }
  }
}
