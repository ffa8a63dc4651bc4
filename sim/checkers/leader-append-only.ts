import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** A leader extends its log and never overwrites or cuts it (Raft figure 3). */
export class LeaderAppendOnly extends PropertyChecker {
  override readonly name = 'leader-append-only';
  /** The leadership that each peer was in when it was looked at last. */
  readonly #leading = new Map<string, string>();

  moved(peer: PeerView, change: LogChange): void {
    const { raft } = peer;
    const now = raft?.role === 'leader' ? `${peer.start}/${raft.term}` : '';
    const before = this.#leading.get(peer.id) ?? '';
    this.#leading.set(peer.id, now);
    if (now === '' || now !== before || change.newLast === change.oldLast) return;
    this.compare(
      change.cutFrom > change.oldLast && change.newLast > change.oldLast,
      () => `${peer.id} leads and cut its log from ${change.cutFrom}, which ended at ${change.oldLast}`,
    );
  }
}
