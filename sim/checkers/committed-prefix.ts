import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** What a peer believes to be committed is what was committed: its log up to its commit index is the one sequence. */
export class CommittedPrefix extends PropertyChecker {
  override readonly name = 'committed-prefix';

  moved(peer: PeerView, _change: LogChange): void {
    const { raft } = peer;
    if (raft === undefined) return;
    const { commitIndex } = raft;
    const { committed } = this.cluster;
    this.compare(
      committed.lastIndex >= commitIndex && peer.log.chainAt(commitIndex) === committed.chainAt(commitIndex),
      () => `${peer.id} has other entries up to its commit index ${commitIndex} than were committed`,
    );
  }
}
