import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * What was committed is never lost: whichever quorum survives, one of it has every committed entry on its disk. A peer counts
 * with its log, so the least that must hold the newest entry is all but a quorum less one.
 */
export class CommittedKept extends PropertyChecker {
  override readonly name = 'committed-kept';

  moved(_peer: PeerView, _change: LogChange): void {
    this.whole();
  }

  whole(): void {
    const { committed, peers, quorum } = this.cluster;
    const index = committed.lastIndex;
    if (index === 0) return;
    const chain = committed.chainAt(index);
    let holders = 0;
    for (const peer of peers) if (peer.durable.chainAt(index) === chain) holders += 1;
    this.compare(
      holders >= peers.length - quorum + 1,
      () => `entry ${index} was committed, and only ${holders} of ${peers.length} peers have it on their disks`,
    );
  }
}
