import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * A peer that finds its log damaged at a start has a disk that was damaged. Any other crash leaves a log that reads as a whole, or the
 * order of its own writes is wrong: the others would mend that, and nobody would notice.
 */
export class RepairExplained extends PropertyChecker {
  override readonly name = 'repair-explained';

  restarted(peer: PeerView): void {
    const { raft } = peer;
    // An old copy and a new directory have a log that others do not know.
    if (raft === undefined || peer.stranger) return;
    const { damage } = raft.inspect();
    this.compare(
      damage === undefined || peer.durable.isWounded,
      () =>
        `${peer.id} has lost entries up to ${damage?.lastIndex}/t${damage?.lastTerm} by its own account, and nobody damaged its disk`,
    );
  }
}
