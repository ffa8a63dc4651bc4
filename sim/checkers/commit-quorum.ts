import type { LogIndex, PeerId, Term } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** A leader commits only what a quorum has on its disks, and only up to an entry of its own term (Raft §5.4.2). */
export class CommitQuorum extends PropertyChecker {
  override readonly name = 'commit-quorum';
  /** Where the commit index of each peer was, and in which leadership; term 0 is none. */
  readonly #commit = new Map<PeerId, { start: number; term: Term; index: LogIndex }>();

  moved(peer: PeerView, _change: LogChange): void {
    const { raft } = peer;
    if (raft === undefined) return;
    const { commitIndex } = raft;
    const { start } = peer;
    const term = raft.role === 'leader' ? raft.term : 0;
    let seen = this.#commit.get(peer.id);
    if (seen === undefined) this.#commit.set(peer.id, (seen = { start, term: 0, index: commitIndex }));
    const goesOn = term !== 0 && seen.start === start && seen.term === term;
    const before = seen.index;
    seen.start = start;
    seen.term = term;
    seen.index = commitIndex;
    if (!goesOn || before === commitIndex) return;
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
