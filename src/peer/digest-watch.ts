/**
 * Compares the digest of the own state with those of the others, mark by mark: the same entries must have made the same state
 * everywhere, or a bit has flipped in somebody's memory, or there is a mistake that makes one apply differently.
 *
 * Pure. Whoever differs from what a majority of the voters agrees on is wrong. Where all are known and no majority agrees, nobody
 * can tell who is right, and going on would only spread it.
 */
import { assert } from '../base/assert.ts';
import { sameHash } from '../base/hash.ts';
import type { Hash64 } from '../base/hash.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import type { MarkDigest } from './types.ts';

/** Marks remembered of each peer. */
const MARKS_MAX = 16;

/** What a comparison shows. */
export type DigestVerdict =
  | { readonly type: 'fine' }
  /** A majority has another state than this peer has. */
  | { readonly type: 'differs'; readonly index: LogIndex }
  /** All are known and no majority has one state. */
  | { readonly type: 'split'; readonly index: LogIndex };

const FINE: DigestVerdict = { type: 'fine' };

/** See the head of this file. */
export class DigestWatch {
  /** The newest marks of each peer, oldest first, at most `MARKS_MAX`. */
  readonly #heard = new Map<PeerId, readonly MarkDigest[]>();

  /** `peer` told these marks, its own among them; those before are kept as long as there is room. */
  heard(peer: PeerId, marks: readonly MarkDigest[]): void {
    const known = this.#heard.get(peer) ?? [];
    const last = known.at(-1)?.index ?? 0;
    const fresh = marks.filter((mark) => mark.index > last);
    if (fresh.length > 0) this.#heard.set(peer, [...known, ...fresh].slice(-MARKS_MAX));
  }

  /** `peer` has begun anew, with a state that it got from others, or is no member any more. */
  forget(peer: PeerId): void {
    this.#heard.delete(peer);
  }

  /** Whether the own marks agree with those of the `voters`, of which this peer may be one. */
  judge(own: readonly MarkDigest[], self: PeerId, voters: readonly PeerId[]): DigestVerdict {
    for (const mark of own) {
      // The usual case, and cheap: nobody differs.
      if (!this.#someoneDiffers(mark, self, voters)) continue;
      const others = voters.filter((voter) => voter !== self);
      const digests = others.flatMap((voter) => this.#digestOf(voter, mark.index) ?? []);
      if (others.length < voters.length) digests.push(mark.digest);
      const verdict = judgeMark(mark, digests, voters.length);
      if (verdict !== FINE) return verdict;
    }
    return FINE;
  }

  #someoneDiffers(own: MarkDigest, self: PeerId, voters: readonly PeerId[]): boolean {
    for (const voter of voters) {
      if (voter === self) continue;
      const digest = this.#digestOf(voter, own.index);
      if (digest !== undefined && !sameHash(digest, own.digest)) return true;
    }
    return false;
  }

  #digestOf(peer: PeerId, index: LogIndex): Hash64 | undefined {
    const marks = this.#heard.get(peer);
    if (marks === undefined) return undefined;
    for (let at = marks.length - 1; at >= 0; at -= 1) {
      const mark = marks[at] as MarkDigest;
      if (mark.index <= index) return mark.index === index ? mark.digest : undefined;
    }
    return undefined;
  }
}

function judgeMark(own: MarkDigest, digests: readonly Hash64[], voterCount: number): DigestVerdict {
  assert(digests.length <= voterCount, 'each voter has one digest');
  const majority = (voterCount >> 1) + 1;
  for (const digest of digests) {
    const count = digests.filter((other) => sameHash(other, digest)).length;
    if (count < majority) continue;
    return sameHash(digest, own.digest) ? FINE : { type: 'differs', index: own.index };
  }
  return digests.length === voterCount ? { type: 'split', index: own.index } : FINE;
}
