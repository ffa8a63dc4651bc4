import type { Term } from '../../src/base/ids.ts';
import type { Message } from '../../src/raft/message.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** A term never falls, over a crash neither: it is at least what the peer promised in any message that waited for its disk. */
export class DurableTerm extends PropertyChecker {
  override readonly name = 'durable-term';
  readonly #promised = new Map<string, Term>();
  readonly #seen = new Map<string, { readonly start: number; readonly term: Term }>();

  sent(peer: PeerView, message: Message): void {
    const promise =
      message.type === 'vote-request' ||
      message.type === 'append-accepted' ||
      (message.type === 'vote-response' && message.granted);
    if (promise) this.#promised.set(peer.life, Math.max(message.term, this.#promised.get(peer.life) ?? 0));
  }

  restarted(peer: PeerView): void {
    const promised = this.#promised.get(peer.life) ?? 0;
    const term = peer.raft?.term ?? 0;
    this.compare(term >= promised, () => `${peer.id} starts in term ${term} and had promised in term ${promised}`);
  }

  moved(peer: PeerView, _change: LogChange): void {
    const { raft, start } = peer;
    if (raft === undefined) return;
    const seen = this.#seen.get(peer.id);
    if (seen?.start === start) {
      if (seen.term === raft.term) return;
      this.compare(raft.term > seen.term, () => `${peer.id} went from term ${seen.term} back to ${raft.term}`);
    }
    this.#seen.set(peer.id, { start, term: raft.term });
  }
}
