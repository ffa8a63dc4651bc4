/** A log as one number an entry: equal numbers at one index mean equal logs up to there. */
import { murmur3 } from '../src/base/hash.ts';
import type { Term } from '../src/base/ids.ts';
import type { Entry } from '../src/raft/types.ts';

/** The chain before the first entry. */
export const CHAIN_START = 0;

/** An entry's term and the chain up to it. */
export interface ChainLink {
  readonly term: Term;
  /** 53 bits of two hashes. */
  readonly chain: number;
}

/** The link that `entry` makes behind `chain`. Its own hash, so that it vouches for the product's. */
export function extendChain(chain: number, entry: Entry): ChainLink {
  const { term, kind, data } = entry;
  const previousHigh = Math.floor(chain / 0x200000);
  const previousLow = chain & 0x1fffff;
  const high = murmur3(data, (previousHigh ^ Math.imul(term, 0x9e3779b9)) | 0);
  const low = murmur3(data, (Math.imul(previousLow, 0x85ebca6b) + Math.imul(high, 0xc2b2ae35) + kind + 1) | 0);
  return { term, chain: high * 0x200000 + (low & 0x1fffff) };
}
