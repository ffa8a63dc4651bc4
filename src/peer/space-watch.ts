/**
 * Whether a disk still has room enough, with a gap between the two bounds so that the answer does not flicker.
 *
 *     roomy ──free < low──▶ low ──free ≥ low × 1.25──▶ roomy
 *
 * Pure. A disk that is quite full ends the peer: nothing can be written, not even what would free space. So submissions are
 * refused well before; completions, cancels and purges, by which tasks come to their end, go on.
 */
import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';

/** Room is back when this much more than the bound is free: one part in four. */
const BACK_FACTOR = 1.25;

/** See the head of this file. */
export class SpaceWatch {
  readonly #lowBytes: number;
  #low = false;
  #freeBytes: number | undefined;

  /** Below `lowBytes` a disk is low; 0 never. */
  constructor(lowBytes: number) {
    assert(lowBytes >= 0, 'a bound is not negative');
    this.#lowBytes = lowBytes;
  }

  get low(): boolean {
    return this.#low;
  }

  /** As last seen; undefined before. */
  get freeBytes(): number | undefined {
    return this.#freeBytes;
  }

  /** This much is free now. True when `low` has changed by it. */
  seen(freeBytes: number): boolean {
    const was = this.#low;
    this.#freeBytes = freeBytes;
    this.#low = freeBytes < (was ? this.#lowBytes * BACK_FACTOR : this.#lowBytes);
    return this.#low !== was;
  }
}

/**
 * True when a leader must take no more submissions: its own disk is low, or so many voters' are that those with room are no majority.
 */
export function lacksSpace(self: PeerId, voters: readonly PeerId[], isLow: (peer: PeerId) => boolean): boolean {
  if (isLow(self)) return true;
  const roomy = voters.filter((voter) => !isLow(voter)).length;
  return roomy < (voters.length >> 1) + 1;
}
