import type { LogIndex, PeerId, Term } from '../../src/base/ids.ts';
import type { Progress } from '../../src/raft/progress.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** What was seen of a follower: in which leadership, and its match index. */
interface Seen {
  readonly start: number;
  readonly term: Term;
  /** Of the follower: which data directory it has. */
  readonly life: string;
  readonly match: LogIndex;
}

/**
 * What a leader believes of a follower is so: the entries up to its match index are on the follower's disk and equal the
 * leader's, unless the follower is in a later term; the match index never falls within a leadership and is below what is sent
 * next.
 */
export class ProgressSanity extends PropertyChecker {
  override readonly name = 'progress-sanity';
  /** By leader, then by follower: the leadership and the match index that were seen last. */
  readonly #seen = new Map<PeerId, Map<PeerId, Seen>>();

  changed(peer: PeerView): void {
    const role = peer.raft?.inspect().role;
    if (peer.raft === undefined || role?.name !== 'leader') return;
    let followers = this.#seen.get(peer.id);
    if (followers === undefined) this.#seen.set(peer.id, (followers = new Map()));
    const { start } = peer;
    const { term } = peer.raft;
    // Nearly always nothing is new, so nothing is made before that is known.
    for (const progress of role.peers) {
      const seen = followers.get(progress.peer);
      if (seen !== undefined && seen.match === progress.match && seen.term === term && seen.start === start) continue;
      const follower = this.cluster.peers.find((other) => other.id === progress.peer);
      const life = follower?.life ?? '';
      // Another directory under the same name begins anew.
      const isKnown = follower?.stranger === false && seen?.life === life;
      const same = isKnown && seen.start === start && seen.term === term;
      followers.set(progress.peer, { start, term, life, match: progress.match });
      this.#believes(peer, term, progress, follower, same ? seen.match : undefined);
    }
  }

  /** `before` is the match index that the same leadership had before, if it had one. */
  #believes(
    peer: PeerView,
    term: Term,
    progress: Readonly<Progress>,
    follower: PeerView | undefined,
    before: LogIndex | undefined,
  ): void {
    const { match, next } = progress;
    this.compare(match < next, () => `${peer.id} has match ${match} and next ${next} of ${progress.peer}`);
    this.compare(
      // One that lost entries to damage says so, and does not count for them until it has them again.
      before === undefined || match > before || progress.damaged,
      () => `${peer.id} took match ${before} of ${progress.peer} back to ${match}`,
    );
    this.compare(
      // What was acknowledged in one term may be cut in a later one, of which the leader need not have heard.
      match === 0 ||
        (follower?.durable.term ?? 0) > term ||
        follower?.durable.vouchesFor(match, peer.log.chainAt(match)) === true,
      () => `${peer.id} believes that ${progress.peer} holds its log up to ${match}, and it does not`,
    );
  }
}
