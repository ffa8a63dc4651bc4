import type { PeerId } from '../../src/base/ids.ts';
import type { ConfigurationBook } from '../configuration-book.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/**
 * Every majority of one configuration shares a voter with every majority of the next one in the same log (thesis §4.1), and the two
 * differ by one voter at most.
 */
export class ConfigurationAdjacency extends PropertyChecker {
  override readonly name = 'configuration-adjacency';
  readonly #book: ConfigurationBook;

  constructor(cluster: ClusterView, book: ConfigurationBook) {
    super(cluster);
    this.#book = book;
  }

  moved(peer: PeerView, change: LogChange): void {
    for (const one of this.#book.see(peer.log, change.cutFrom)) {
      const [before] = this.#book.of(peer.log, one.index);
      const old = before?.voters ?? [];
      const differing =
        old.filter((id) => !one.voters.includes(id)).length + one.voters.filter((id) => !old.includes(id)).length;
      this.compare(
        differing <= 1 && overlap(old, one.voters),
        () => `entry ${one.index} on ${peer.id} makes ${one.voters.join(' ')} of ${old.join(' ')}`,
      );
    }
  }
}

/** True when no majority of `left` is disjoint from a majority of `right`. */
function overlap(left: readonly PeerId[], right: readonly PeerId[]): boolean {
  const all = [...new Set([...left, ...right])];
  const leftBits = bitsOf(left, all);
  const rightBits = bitsOf(right, all);
  for (let set = 0; set < 1 << all.length; set += 1) {
    const hasLeft = 2 * ones(set & leftBits) > left.length;
    const hasRight = 2 * ones(~set & rightBits) > right.length;
    if (hasLeft && hasRight) return false;
  }
  return true;
}

function bitsOf(members: readonly PeerId[], all: readonly PeerId[]): number {
  return members.reduce((bits, id) => bits | (1 << all.indexOf(id)), 0);
}

function ones(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count += 1;
  return count;
}
