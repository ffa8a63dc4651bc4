import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** A leader's log holds every entry that was committed in an earlier term (Raft §5.4). Tried when a leadership begins. */
export class LeaderCompleteness extends PropertyChecker {
  override readonly name = 'leader-completeness';
  readonly #lastTerm = new Map<string, number>();

  moved(peer: PeerView, _change: LogChange): void {
    const { raft } = peer;
    if (raft?.role !== 'leader' || this.#lastTerm.get(peer.id) === raft.term) return;
    this.#lastTerm.set(peer.id, raft.term);
    const { committed } = this.cluster;
    let index = committed.lastIndex;
    while (index > 0 && (committed.at(index)?.byTerm ?? 0) >= raft.term) index -= 1;
    this.compare(
      peer.log.chainAt(index) === committed.chainAt(index),
      () => `${peer.id} leads term ${raft.term} without the committed entries up to ${index}`,
    );
  }
}
