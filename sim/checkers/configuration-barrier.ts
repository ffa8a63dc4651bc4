import { EntryKind } from '../../src/raft/types.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * A leader changes the configuration only after it has committed an entry of its own term: otherwise two leaders, each of which
 * knows one change that the other does not, can commit by majorities without a common member (Ongaro on raft-dev, 2015).
 */
export class ConfigurationBarrier extends PropertyChecker {
  override readonly name = 'configuration-barrier';

  moved(peer: PeerView, change: LogChange): void {
    const { raft, log } = peer;
    if (raft?.role !== 'leader') return;
    for (let index = change.cutFrom; index <= change.newLast; index += 1) {
      const entry = log.entryAt(index);
      if (entry?.kind !== EntryKind.configuration || entry.term !== raft.term) continue;
      const committed = log.linkAt(raft.commitIndex)?.term;
      this.compare(
        committed === raft.term,
        () =>
          `${peer.id} leads term ${raft.term}, has committed up to term ${committed}, and changes the configuration at ${index}`,
      );
    }
  }
}
