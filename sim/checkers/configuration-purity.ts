import type { LogIndex, PeerId } from '../../src/base/ids.ts';
import type { ConfigurationBook } from '../configuration-book.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/**
 * Who belongs to the cluster by a peer is what the newest configuration in its own log says, after every step and every start: in
 * force when it is appended, and no longer when it is cut (thesis §4.1).
 */
export class ConfigurationPurity extends PropertyChecker {
  override readonly name = 'configuration-purity';
  readonly #book: ConfigurationBook;
  readonly #seen = new Map<string, { readonly start: number; readonly index: LogIndex }>();
  /** Configurations that were in force on a peer and were cut. */
  rolledBack = 0;

  constructor(cluster: ClusterView, book: ConfigurationBook) {
    super(cluster);
    this.#book = book;
  }

  moved(peer: PeerView, change: LogChange): void {
    const { raft, log, start } = peer;
    // Without its state a peer does not know what was in force where its log begins; it decides nothing until it has one.
    if (raft === undefined || raft.inspect().stateMissing) return;
    this.#book.see(log, change.cutFrom);
    const { configuration } = raft;
    const before = this.#seen.get(peer.id);
    if (before?.start !== start || before.index !== configuration.index) {
      if (before?.start === start && configuration.index < before.index) this.rolledBack += 1;
      this.#seen.set(peer.id, { start, index: configuration.index });
    }
    const expected = this.#book.newest(log, log.lastIndex + 1);
    const isFounder = peer.life === peer.id && expected?.voters.includes(peer.id) === true;
    if (expected?.index === 0 && !isFounder) {
      // Whoever came later knows the founders by hearsay, without itself, or by a state that is as old as they.
      this.compare(
        configuration.index === 0 && configuration.voters.every((id) => expected.voters.includes(id)),
        () => `${peer.id}, which is no founder, acts by the configuration ${configuration.voters.join(' ')}`,
      );
      return;
    }
    this.compare(
      expected !== undefined &&
        expected.index === configuration.index &&
        sameIds(expected.voters, configuration.voters) &&
        sameIds(expected.learners, configuration.learners),
      () =>
        `${peer.id} acts by the configuration of ${configuration.index} (${configuration.voters.join(' ')}), and its log says ` +
        `${expected?.index} (${expected?.voters.join(' ')})`,
    );
  }
}

function sameIds(left: readonly PeerId[], right: readonly PeerId[]): boolean {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at += 1) if (left[at] !== right[at]) return false;
  return true;
}
