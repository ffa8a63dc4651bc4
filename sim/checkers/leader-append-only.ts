import type { PeerId, Term } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** A leader extends its log and never overwrites or cuts it (Raft figure 3). */
export class LeaderAppendOnly extends PropertyChecker {
  override readonly name = 'leader-append-only';
  /** The leadership that each peer was in when it was looked at last. */
  readonly #leading = new Map<PeerId, { readonly start: number; readonly term: Term }>();

  moved(peer: PeerView, change: LogChange): void {
    const { raft, start } = peer;
    const before = this.#leading.get(peer.id);
    if (raft?.role !== 'leader') {
      if (before !== undefined) this.#leading.delete(peer.id);
      return;
    }
    const { term } = raft;
    if (before?.start !== start || before.term !== term) {
      this.#leading.set(peer.id, { start, term });
      return;
    }
    if (change.newLast === change.oldLast) return;
    this.compare(
      change.cutFrom > change.oldLast && change.newLast > change.oldLast,
      () => `${peer.id} leads and cut its log from ${change.cutFrom}, which ended at ${change.oldLast}`,
    );
  }
}
