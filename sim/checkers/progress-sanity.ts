import type { LogIndex } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * What a leader believes of a follower is so: the entries up to its match index are on the follower's disk and equal the
 * leader's; the match index never falls within a leadership and is below what is sent next.
 */
export class ProgressSanity extends PropertyChecker {
  override readonly name = 'progress-sanity';
  /** By leader and follower: the leadership and the match index that were seen last. */
  readonly #seen = new Map<string, { readonly leadership: string; readonly match: LogIndex }>();

  changed(peer: PeerView, _change: LogChange): void {
    const role = peer.raft?.inspect().role;
    if (peer.raft === undefined || role?.name !== 'leader') return;
    const leadership = `${peer.start}/${peer.raft.term}`;
    for (const progress of role.peers) {
      const key = `${peer.id}/${progress.peer}`;
      const seen = this.#seen.get(key);
      const { match, next } = progress;
      const same = seen?.leadership === leadership;
      if (same && seen.match === match) continue;
      this.#seen.set(key, { leadership, match });
      this.compare(match < next, () => `${peer.id} has match ${match} and next ${next} of ${progress.peer}`);
      this.compare(
        !same || match > seen.match,
        () => `${peer.id} took match ${seen?.match} of ${progress.peer} back to ${match}`,
      );
      const follower = this.cluster.peers.find((other) => other.id === progress.peer);
      this.compare(
        follower?.durable.chainAt(match) === peer.log.chainAt(match),
        () => `${peer.id} believes that ${progress.peer} holds its log up to ${match}, and it does not`,
      );
    }
  }
}
