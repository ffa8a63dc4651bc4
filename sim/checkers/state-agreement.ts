import { formatHash, type Hash64, sameHash } from '../../src/base/hash.ts';
import type { LogIndex } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker, type WitnessedEntry } from './checker.ts';

/**
 * All peers have the same state at the same index: the digest at each mark equals that of the witness, which has applied every
 * committed entry from the first one on. So it also holds that a state restored from a checkpoint equals one that was replayed,
 * and that what is written and what is only hashed is the same. One whose memory was made to go wrong is left out.
 */
export class StateAgreement extends PropertyChecker {
  override readonly name = 'state-agreement';
  readonly #digests = new Map<LogIndex, Hash64>();
  readonly #compared = new Map<string, { readonly start: number; readonly index: LogIndex }>();

  witnessed(entry: WitnessedEntry): void {
    if (!entry.outcome.marked) return;
    const mark = entry.scheduler.lastMark;
    this.compare(mark?.index === entry.index, () => `the mark at ${entry.index} was not brought to its end`);
    if (mark !== undefined) this.#digests.set(entry.index, mark.digest);
  }

  moved(peer: PeerView, _change: LogChange): void {
    const last = peer.marks.at(-1);
    const seen = this.#compared.get(peer.id);
    const before = seen?.start === peer.start ? seen.index : 0;
    if (last === undefined || last.index <= before) return;
    for (const mark of peer.marks) {
      if (mark.index <= before || peer.isWrong) continue;
      const digest = this.#digests.get(mark.index);
      this.compare(
        digest !== undefined && sameHash(digest, mark.digest),
        () =>
          `${peer.id} has digest ${formatHash(mark.digest)} at ${mark.index}, the witness ` +
          (digest === undefined ? 'none' : formatHash(digest)),
      );
    }
    this.#compared.set(peer.id, { start: peer.start, index: last.index });
  }
}
