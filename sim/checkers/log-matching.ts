import type { LogIndex, Term } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * Two logs that hold an entry of the same index and term are equal up to there (Raft §5.3): the chain of hashes up to an entry
 * is fixed by the first peer on which it is seen.
 */
export class LogMatching extends PropertyChecker {
  override readonly name = 'log-matching';
  /** By index, then by term. */
  readonly #chains: Map<Term, number>[] = [];

  moved(peer: PeerView, change: LogChange): void {
    for (let index = Math.min(change.cutFrom, change.oldLast + 1); index <= change.newLast; index += 1) {
      this.#see(peer, index);
    }
  }

  restarted(peer: PeerView): void {
    for (let index = peer.durable.lastIndex; index >= 1; index -= 1) {
      const link = peer.durable.linkAt(index);
      if (link === undefined) continue;
      const known = this.#chains[index]?.get(link.term);
      this.#fix(peer, index, link.term, link.chain);
      // A chain stands for all before it, and whoever fixed it fixed those too.
      if (known === link.chain) return;
    }
  }

  #see(peer: PeerView, index: LogIndex): void {
    const link = peer.log.linkAt(index);
    if (link !== undefined) this.#fix(peer, index, link.term, link.chain);
  }

  #fix(peer: PeerView, index: LogIndex, term: Term, chain: number): void {
    const chains = (this.#chains[index] ??= new Map());
    const known = chains.get(term);
    if (known === undefined) chains.set(term, chain);
    else
      this.compare(
        known === chain,
        () => `entry ${index} of term ${term} on ${peer.id} follows another log than elsewhere`,
      );
  }
}
