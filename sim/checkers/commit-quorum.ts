import type { LogIndex } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** A leader commits only what a quorum has on its disks, and only up to an entry of its own term (Raft §5.4.2). */
export class CommitQuorum extends PropertyChecker {
  override readonly name = 'commit-quorum';
  readonly #commit = new Map<string, { readonly leadership: string; readonly index: LogIndex }>();

  moved(peer: PeerView, _change: LogChange): void {
    const { raft } = peer;
    if (raft === undefined) return;
    const leadership = raft.role === 'leader' ? `${peer.start}/${raft.term}` : '';
    const before = this.#commit.get(peer.id);
    const { commitIndex } = raft;
    this.#commit.set(peer.id, { leadership, index: commitIndex });
    if (leadership === '' || before?.leadership !== leadership || before.index === commitIndex) return;
    const link = peer.log.linkAt(commitIndex);
    this.compare(
      link?.term === raft.term,
      () => `${peer.id} leads term ${raft.term} and commits ${commitIndex} of term ${link?.term ?? 'unknown'} directly`,
    );
    const { voters } = raft.configuration;
    const holders = this.cluster.peers.filter(
      ({ id, durable }) => voters.includes(id) && durable.vouchesFor(commitIndex, link?.chain),
    );
    this.compare(
      holders.length * 2 > voters.length,
      () =>
        `${peer.id} commits ${commitIndex}, which of ${voters.join(', ')} only ` +
        `${holders.map(({ id }) => id).join(', ')} hold durably`,
    );
  }
}
