import type { LogIndex, Term } from '../../src/base/ids.ts';
import type { Message } from '../../src/raft/message.ts';
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
 */
export class VoteUpToDate extends PropertyChecker {
  override readonly name = 'vote-up-to-date';
  /** What the candidate of a term said of its log, by candidate; of the newest term in which it stood. */
  readonly #claims = new Map<string, { readonly term: Term; readonly end: End }>();

  sent(peer: PeerView, message: Message): void {
    const { type, term } = message;
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
