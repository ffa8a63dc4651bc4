/**
 * Who may take part: the first start of a cluster, and the incarnations that belong to it afterwards.
 *
 * A peer that comes back with an empty disk under its old name could vote a second time in a term and un-commit what it once
 * acknowledged. So an empty log alone gives no right to vote: every data directory has an incarnation drawn at random, and the
 * cluster is founded with those of its first members.
 *
 *     waiting ── every other member answered that its log is empty too ──────▶ founded
 *        │  └─── one answered that it was founded with this incarnation ────▶ founded
 *        └────── one knows another incarnation of this peer ───────────────▶ refused
 *
 * A member that has not answered is waited for, and so is one that has a log and knows no incarnation of this peer: it was
 * founded by the word of a third one, and may soon hear more. Founding is written to disk, with the incarnations, before the first vote;
 * a peer tells others which incarnation it knows of them only from then on. One that was founded by the word of another knows
 * only that other; it learns the rest from members that have a log or know it in turn.
 *
 * Pure: facts come in, verdicts go out; who writes them down is the caller.
 */
import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import type { Founder, Founding } from '../storage/storage.ts';
import type { PeerFacts } from '../transport/transport.ts';

/** What a peer without a log may do. */
export type FoundingVerdict =
  | {
      readonly type: 'waiting';
      /** Members that have not answered. */
      readonly missing: readonly PeerId[];
      /** Members that have a log and have not heard of this incarnation, nor of another one of this peer. */
      readonly strangers: readonly PeerId[];
    }
  /** Write this down, then take part. */
  | { readonly type: 'founded'; readonly founding: Founding }
  /** Never: stop, and say the sentence to the operator. */
  | { readonly type: 'refused'; readonly sentence: string };

/** Whom a founded peer lets in. */
export type Admission =
  | { readonly type: 'accept' }
  /** Accept, and write this down first: an incarnation was learned. */
  | { readonly type: 'learn'; readonly founding: Founding }
  | { readonly type: 'refuse'; readonly sentence: string };

/**
 * The first start of a peer that was not founded. See the head of this file. In the facts that count here, a log is empty as long
 * as its peer was not founded: from then on it may have voted, which its log does not show.
 */
export class FirstStart {
  readonly #self: Founder;
  readonly #others: readonly PeerId[];
  /** The last answer of each other member. */
  readonly #heard = new Map<PeerId, PeerFacts>();

  /** `others` are all members of the file but this one. */
  constructor(self: Founder, others: readonly PeerId[]) {
    assert(!others.includes(self.peerId), 'a peer does not wait for itself');
    this.#self = self;
    this.#others = others;
  }

  /** A member answered; a newer answer takes the place of an older one. */
  hears(from: PeerId, facts: PeerFacts): void {
    assert(this.#others.includes(from), 'only members answer');
    this.#heard.set(from, facts);
  }

  /** The connection to a member ended: what it said may no longer hold, and it is asked again. */
  forgets(peer: PeerId): void {
    this.#heard.delete(peer);
  }

  /** What follows from the answers so far. */
  verdict(): FoundingVerdict {
    const missing: PeerId[] = [];
    const strangers: PeerId[] = [];
    const founders: Founder[] = [this.#self];
    for (const peer of this.#others) {
      const facts = this.#heard.get(peer);
      if (facts === undefined) {
        missing.push(peer);
        continue;
      }
      if (facts.knowsMe === 'as-another') return { type: 'refused', sentence: rejoinSentence(this.#self.peerId, peer) };
      if (facts.knowsMe === 'as-this') {
        return foundedWith([this.#self, { peerId: peer, incarnation: facts.incarnation }]);
      }
      if (!facts.logEmpty) strangers.push(peer);
      founders.push({ peerId: peer, incarnation: facts.incarnation });
    }
    if (missing.length > 0 || strangers.length > 0) return { type: 'waiting', missing, strangers };
    return foundedWith(founders);
  }
}

/** The incarnation that `founding` holds of `peer`, or undefined. */
export function knownIncarnation(founding: Founding, peer: PeerId): string | undefined {
  return founding.heard.find((founder) => founder.peerId === peer)?.incarnation;
}

/** What a founded peer does with another member that says these `facts` of itself. */
export function admit(founding: Founding, self: PeerId, from: PeerId, facts: PeerFacts): Admission {
  assert(founding.founded, 'only a founded peer judges others');
  const known = knownIncarnation(founding, from);
  if (known !== undefined && known !== facts.incarnation)
    return { type: 'refuse', sentence: rejoinSentence(from, self) };
  if (facts.knowsMe === 'as-another') return { type: 'refuse', sentence: rejoinSentence(self, from) };
  if (known !== undefined) return { type: 'accept' };
  // A member without a log that knows nobody may be new under an old name. It cannot take part before others know it.
  if (facts.logEmpty && facts.knowsMe === 'not') return { type: 'accept' };
  const heard = [...founding.heard, { peerId: from, incarnation: facts.incarnation }].sort(byPeerId);
  return { type: 'learn', founding: { founded: true, heard } };
}

/** What the operator of `peer` has to know: `witness` does not accept its data directory. */
export function rejoinSentence(peer: PeerId, witness: PeerId): string {
  return (
    `${peer} has an empty or foreign data directory, but ${witness} belongs to a cluster that was founded with another one of ` +
    `${peer}. A peer that lost its log must not come back under its old id, because it could vote twice and forget what it ` +
    `acknowledged. Start ${peer} with the data directory that it had. If that is gone, leave ${peer} stopped: the others go on ` +
    `without it as long as they are a majority. A member cannot be replaced in this version; only a new cluster, with a new ` +
    `clusterId and empty directories, has all its members again.`
  );
}

function foundedWith(founders: readonly Founder[]): FoundingVerdict {
  return { type: 'founded', founding: { founded: true, heard: [...founders].sort(byPeerId) } };
}

function byPeerId(left: Founder, right: Founder): number {
  return left.peerId < right.peerId ? -1 : Number(left.peerId > right.peerId);
}
