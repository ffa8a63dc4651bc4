import type { LogIndex, Term } from '../../src/base/ids.ts';
import type { Message } from '../../src/raft/message.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** An end of a log. */
interface End {
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * Whoever is voted for has a log at least as up to date as all that the voter ever acknowledged, and so has whoever asks for votes
 * (Raft §5.4.1). What damage took from a disk counts as if it were there (Alagappan et al., "Protocol-Aware Recovery for
 * Consensus-Based Storage", FAST 2018): without the vote that keeps it, it would be overwritten.
 *
 * Seldom does anybody ask at the moment at which a wrong answer would be given. So a peer that starts, and one that knows of damage, is
 * asked after each change whether it would vote for a log that lacks the last of what it has acknowledged.
 */
export class VoteUpToDate extends PropertyChecker {
  override readonly name = 'vote-up-to-date';
  /** What the candidate of a term said of its log, by candidate; of the newest term in which it stood. */
  readonly #claims = new Map<string, { readonly term: Term; readonly end: End }>();

  /** By life: the last entry that it has told the leader, or counted itself, as being on its disk. */
  readonly #acknowledged = new Map<string, End>();
  /** By life: entries that were overwritten when damage was first seen. Later the leader of a later term may have cut what was lost. */
  readonly #damagedAt = new Map<string, number>();

  restarted(peer: PeerView): void {
    this.#asks(peer);
  }

  moved(peer: PeerView, _change: LogChange): void {
    const { durable, life, raft } = peer;
    if (durable.rememberedEnd === undefined) {
      this.#damagedAt.delete(life);
      const known = this.#acknowledged.get(life);
      // A leader of a later term has cut it.
      if (known !== undefined && durable.linkAt(known.index)?.term !== known.term) this.#acknowledged.delete(life);
      if (raft !== undefined) this.#acknowledges(peer, raft.commitIndex);
    } else if (raft?.inspect().damage !== undefined) this.#asks(peer);
  }

  sent(peer: PeerView, message: Message): void {
    const { type, term } = message;
    if (type === 'append-accepted') this.#acknowledges(peer, message.matchIndex);
    // A request for pre-votes may have waited for the disk while the log grew: it claims less than there is, and promises nothing.
    if (type === 'vote-request') {
      const end = { index: message.lastLogIndex, term: message.lastLogTerm };
      this.#claims.set(peer.id, { term, end });
      this.#reaches(peer, term, end, () => `${peer.id} stands for term ${term}`);
    } else if (type === 'vote-response' && message.granted) {
      const claim = this.#claims.get(message.to);
      if (claim?.term !== term) return;
      this.#reaches(peer, term, claim.end, () => `${peer.id} votes for ${message.to} in term ${term}`);
    }
  }

  #acknowledges({ durable, life }: PeerView, index: LogIndex): void {
    const term = durable.linkAt(index)?.term;
    const known = this.#acknowledged.get(life);
    if (term === undefined || (known !== undefined && (known.term > term || known.index >= index))) return;
    this.#acknowledged.set(life, { index, term });
  }

  /** `peer` would not vote for a log without the last entry that it has acknowledged. */
  #asks(peer: PeerView): void {
    const { durable, life, stranger } = peer;
    const end = this.#acknowledged.get(life);
    const core = peer.raft?.inspect();
    if (core === undefined || stranger || end === undefined) return;
    if (durable.rememberedEnd !== undefined) {
      const before = this.#damagedAt.get(life);
      if (before === undefined) this.#damagedAt.set(life, durable.truncated);
      else if (before !== durable.truncated) return;
    }
    this.compare(
      !core.upToDate(end.index - 1, end.term) && !core.upToDate(end.index + 1, end.term - 1),
      () => `${peer.id} would vote for a log that lacks ${describe(end)}, which it has acknowledged`,
    );
  }

  #reaches(peer: PeerView, inTerm: Term, end: End, words: () => string): void {
    // Nobody counts what comes from another directory.
    if (peer.stranger) return;
    const { durable } = peer;
    const { lastIndex } = durable;
    const own = { index: lastIndex, term: durable.linkAt(lastIndex)?.term ?? 0 };
    for (const acknowledged of [own, durable.rememberedEnd]) {
      // Entries of the term itself came after the vote, if they left with it.
      if (acknowledged === undefined || acknowledged.term >= inTerm) continue;
      this.compare(
        end.term === acknowledged.term ? end.index >= acknowledged.index : end.term > acknowledged.term,
        () =>
          `${words()} by a log that ends with ${describe(end)}, and has acknowledged entries up to ${describe(acknowledged)}`,
      );
    }
  }
}

function describe({ index, term }: End): string {
  return `${index}/t${term}`;
}
