/**
 * The first start of a peer: when a cluster may be founded, and when a peer without a log may take part in one that is there.
 *
 * A peer that comes back with an empty disk under its old name could vote a second time in a term and un-commit what it once
 * acknowledged. So an empty log alone gives no right to vote: every data directory has an incarnation drawn at random, and the
 * cluster is founded with those of its first members. Whoever comes later is added by an entry of the log that names its incarnation.
 *
 *     waiting ── every other member of the file answered that its log is empty too, and names the same founders ──▶ founded
 *        └────── one answered that it knows this very incarnation, as a founder's or by an entry ──────────────▶ founded
 *
 * Everything else is waited for: members that have not answered; those that have a log and do not know this incarnation, since
 * they may be told of it, by a third one or by an operator who adds this peer; and those that know another incarnation under this
 * name, since the operator may replace that one by this. Founding is written to disk, with the incarnations, before the first vote;
 * a peer tells others which incarnation it knows of them only from then on.
 *
 * A peer that is founded by the word of another takes over the list of founders. When it is none of them, it joined: it begins
 * with their configuration, in which it has no part, and learns from the log or a snapshot what came of that.
 *
 * Pure: facts come in, verdicts go out; who writes them down is the caller.
 */
import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import type { Founder, Founding } from '../storage/storage.ts';
import type { PeerFacts } from '../transport/transport.ts';
import { NO_INCARNATION } from './member-info.ts';

/** What a peer without a log may do. */
export type FoundingVerdict =
  | {
      readonly type: 'waiting';
      /** Members that have not answered. */
      readonly missing: readonly PeerId[];
      /** Members that have a log and have not heard of this incarnation, nor of another one of this peer. */
      readonly strangers: readonly PeerId[];
      /** Members that know another data directory under the name of this peer. */
      readonly replaced: readonly PeerId[];
      /** Members without a log whose file names other founders. */
      readonly disagreeing: readonly PeerId[];
    }
  /** Write this down, then take part. */
  | { readonly type: 'founded'; readonly founding: Founding };

/**
 * The first start of a peer that was not founded. See the head of this file. In the facts that count here, a log is empty as long
 * as its peer was not founded: from then on it may have voted, which its log does not show.
 */
export class FirstStart {
  readonly #self: Founder;
  readonly #others: readonly PeerId[];
  /** Everyone in the file, sorted. */
  readonly #founders: readonly PeerId[];
  /** The last answer of each other member. */
  readonly #heard = new Map<PeerId, PeerFacts>();

  /** `others` are all members of the file but this one. */
  constructor(self: Founder, others: readonly PeerId[]) {
    assert(!others.includes(self.peerId), 'a peer does not wait for itself');
    this.#self = self;
    this.#others = others;
    this.#founders = [self.peerId, ...others].sort();
  }

  /** A peer answered; a newer answer takes the place of an older one. One that is not in the file counts only when it knows this one. */
  hears(from: PeerId, facts: PeerFacts): void {
    if (this.#others.includes(from) || facts.knowsMe === 'as-this') this.#heard.set(from, facts);
    else this.#heard.delete(from);
  }

  /** Who answered, with the last words of each. */
  get answers(): ReadonlyMap<PeerId, PeerFacts> {
    return this.#heard;
  }

  /** The connection to a member ended: what it said may no longer hold, and it is asked again. */
  forgets(peer: PeerId): void {
    this.#heard.delete(peer);
  }

  /** What follows from the answers so far. */
  verdict(): FoundingVerdict {
    const missing: PeerId[] = [];
    const strangers: PeerId[] = [];
    const replaced: PeerId[] = [];
    const disagreeing: PeerId[] = [];
    const founders: Founder[] = [this.#self];
    for (const [peer, facts] of this.#heard) {
      const teller = { peerId: peer, incarnation: facts.incarnation };
      if (facts.knowsMe === 'as-this') return foundedWith(byWord(facts.founders, [this.#self, teller]));
    }
    for (const peer of this.#others) {
      const facts = this.#heard.get(peer);
      if (facts === undefined) {
        missing.push(peer);
        continue;
      }
      const teller = { peerId: peer, incarnation: facts.incarnation };
      if (facts.knowsMe === 'as-another') replaced.push(peer);
      else if (!facts.logEmpty) strangers.push(peer);
      else if (!sameNames(facts.founders, this.#founders)) disagreeing.push(peer);
      founders.push(teller);
    }
    if (missing.length + strangers.length + replaced.length + disagreeing.length > 0)
      return { type: 'waiting', missing, strangers, replaced, disagreeing };
    return foundedWith(founders);
  }
}

/** The incarnation that `founding` holds of `peer`, or undefined. */
export function knownIncarnation(founding: Founding, peer: PeerId): string | undefined {
  const incarnation = founding.heard.find((founder) => founder.peerId === peer)?.incarnation;
  return incarnation === NO_INCARNATION ? undefined : incarnation;
}

/** What an operator has to know of a peer that waits. */
export function waitingSentence(self: PeerId, verdict: FoundingVerdict): string {
  if (verdict.type !== 'waiting') return '';
  const { missing, strangers, replaced, disagreeing } = verdict;
  if (replaced.length > 0) {
    return (
      `${replaced.join(', ')} already knows another data directory of ${self}, which this empty one cannot stand in for by itself: it ` +
      `could vote twice and forget what it acknowledged. Start ${self} with the directory that it had, or, if that is gone, run ` +
      `"taskraft cluster replace ${self}".`
    );
  }
  if (strangers.length > 0) {
    return (
      `${self} is no member yet: ${strangers.join(', ')} already has a log and has not heard of this data directory. ` +
      `Run "taskraft cluster add ${self}" to add it to the cluster.`
    );
  }
  const parts: string[] = [];
  if (missing.length > 0) parts.push(`waiting for ${missing.join(', ')}`);
  if (disagreeing.length > 0)
    parts.push(`the file of ${disagreeing.join(', ')} names other members than that of ${self}`);
  return `The cluster is not founded yet as far as ${self} knows: ${parts.join('; ')}.`;
}

/** The founders that another peer told of, with the incarnations that are known here. */
function byWord(names: readonly PeerId[], known: readonly Founder[]): Founder[] {
  return names.map((peerId) => {
    const incarnation = known.find((founder) => founder.peerId === peerId)?.incarnation ?? NO_INCARNATION;
    return { peerId, incarnation };
  });
}

function foundedWith(founders: readonly Founder[]): FoundingVerdict {
  return { type: 'founded', founding: { founded: true, heard: [...founders].sort(byPeerId), whole: true } };
}

function byPeerId(left: Founder, right: Founder): number {
  return left.peerId < right.peerId ? -1 : Number(left.peerId > right.peerId);
}

function sameNames(left: readonly PeerId[], right: readonly PeerId[]): boolean {
  return left.length === right.length && left.every((name, at) => name === right[at]);
}
