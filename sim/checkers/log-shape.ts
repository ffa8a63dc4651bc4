import { InvariantError } from '../../src/base/assert.ts';
import { checkInvariants } from '../../src/raft/invariants.ts';
import { Violation } from '../world.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * A log is whole: indexes without gaps, terms that do not fall, none over the peer's own; and everything else that the core
 * promises of itself after each step.
 */
export class LogShape extends PropertyChecker {
  override readonly name = 'log-shape';

  restarted(peer: PeerView): void {
    this.#check(peer);
  }

  changed(peer: PeerView): void {
    this.#check(peer);
  }

  #check(peer: PeerView): void {
    const { raft } = peer;
    if (raft === undefined) return;
    try {
      checkInvariants(raft);
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      throw new Violation(this.name, `${peer.id}: ${error.message}`, error);
    }
    const { lastIndex, term } = raft;
    const last = peer.log.linkAt(lastIndex);
    this.compare(
      lastIndex === 0 || (last?.term ?? 0) <= term,
      () => `${peer.id} holds an entry of a term beyond ${term}`,
    );
  }
}
