import type { PeerId, Term } from '../../src/base/ids.ts';
import type { Message } from '../../src/raft/message.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

interface Leadership {
  readonly peer: PeerId;
  readonly start: number;
  over: boolean;
}

/**
 * A term has at most one leader, over all of history, and a leadership begins once: a peer that crashed and comes back never
 * leads the same term again. Only that peer sends appends and heartbeats of the term (Raft §5.2).
 */
export class ElectionSafety extends PropertyChecker {
  override readonly name = 'election-safety';
  readonly #leaders = new Map<Term, Leadership>();
  /** By peer: whom it was seen to follow last. */
  readonly #followed = new Map<PeerId, { term: Term; leader: PeerId | undefined }>();
  /** Leaders that were seen, by term. */
  get leaderships(): number {
    return this.#leaders.size;
  }

  sent(peer: PeerView, message: Message): void {
    if (message.type === 'append-entries' || message.type === 'heartbeat' || message.type === 'timeout-now') {
      // What was written as leader may leave after the end of the leadership.
      this.#leads(peer, message.term, `sends ${message.type}`, false);
    }
  }

  moved(peer: PeerView, _change: LogChange): void {
    const { raft } = peer;
    if (raft === undefined) return;
    if (raft.role === 'leader') this.#leads(peer, raft.term, 'leads', true);
    else {
      const own = this.#leaders.get(raft.term);
      if (own?.peer === peer.id && own.start === peer.start) own.over = true;
    }
  }

  /** Whom a peer takes for the leader of its term leads that. */
  changed({ id, raft }: PeerView): void {
    if (raft === undefined) return;
    const { term, leader } = raft;
    const seen = this.#followed.get(id);
    if (seen?.term === term && seen.leader === leader) return;
    if (seen === undefined) this.#followed.set(id, { term, leader });
    else Object.assign(seen, { term, leader });
    if (leader === undefined || leader === id) return;
    const known = this.#leaders.get(term)?.peer;
    this.compare(known === leader, () => `${id} follows ${leader} in term ${term}, which ${known ?? 'nobody'} led`);
  }

  #leads(peer: PeerView, term: Term, what: string, now: boolean): void {
    const known = this.#leaders.get(term);
    if (known === undefined) {
      this.#leaders.set(term, { peer: peer.id, start: peer.start, over: false });
      this.compare(true, () => '');
      return;
    }
    this.compare(known.peer === peer.id, () => `${peer.id} ${what} in term ${term}, which ${known.peer} led`);
    this.compare(
      known.start === peer.start && !(now && known.over),
      () => `${peer.id} ${what} in term ${term} a second time: it led that term before, in start ${known.start} of it`,
    );
  }
}
