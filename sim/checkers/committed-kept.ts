import { PropertyChecker } from './checker.ts';

/**
 * What was committed is never lost: whichever quorum survives, one of it has every committed entry on its disk. A peer counts
 * with its log, so the least that must hold the newest entry is all but a quorum less one.
 */
export class CommittedKept extends PropertyChecker {
  override readonly name = 'committed-kept';

  spread(): void {
    this.whole();
  }

  whole(): void {
    const { committed, peers, voters } = this.cluster;
    const index = committed.lastIndex;
    if (index === 0) return;
    const chain = committed.chainAt(index);
    // Whoever lost its data directory cannot vote any more; every majority of the others has somebody who keeps it.
    let able = 0;
    let holders = 0;
    for (const peer of peers) {
      if (!voters.includes(peer.id) || peer.stranger) continue;
      able += 1;
      if (peer.durable.vouchesFor(index, chain)) holders += 1;
    }
    const quorum = Math.floor(voters.length / 2) + 1;
    this.compare(
      holders > able - quorum,
      () => `entry ${index} was committed, and only ${holders} of ${voters.length} voters have it on their disks`,
    );
  }
}
