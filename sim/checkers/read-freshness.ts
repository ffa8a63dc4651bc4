import type { LogIndex } from '../../src/base/ids.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * A linearizable read, on whichever peer, is of a state that includes everything that any peer knew to be committed when the read
 * was asked for (thesis §6.4).
 */
export class ReadFreshness extends PropertyChecker {
  override readonly name = 'read-freshness';

  read(peer: PeerView, committedBefore: LogIndex, appliedIndex: LogIndex): void {
    this.compare(
      appliedIndex >= committedBefore,
      () => `${peer.id} reads at ${appliedIndex}, and ${committedBefore} was committed before the read was asked for`,
    );
  }
}
