import type { ConfigurationBook } from '../configuration-book.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/** A leader has one change of the configuration under way at most: one that nobody has committed. */
export class ConfigurationPending extends PropertyChecker {
  override readonly name = 'configuration-pending';
  readonly #book: ConfigurationBook;

  constructor(cluster: ClusterView, book: ConfigurationBook) {
    super(cluster);
    this.#book = book;
  }

  moved(peer: PeerView, change: LogChange): void {
    const { raft, log } = peer;
    if (raft?.role !== 'leader' || raft.configuration.index === 0) return;
    this.#book.see(log, change.cutFrom);
    let pending = 0;
    for (const { index } of this.#book.of(log, log.lastIndex + 1)) {
      // What others have committed is committed, though a new leader may not know it yet.
      if (index <= this.cluster.committed.lastIndex) break;
      pending += 1;
    }
    this.compare(pending <= 1, () => `${peer.id} leads with ${pending} changes of the configuration under way`);
  }
}
