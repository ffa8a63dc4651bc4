import { assert } from '../../base/assert.ts';

const SEGMENT_BITS = 10;
const SEGMENT = 1 << SEGMENT_BITS;
/** Segments that a cleared list keeps for the next time. */
const SEGMENTS_KEPT = 256;

/** A list of slots in segments: growing copies nothing, and clearing keeps a few segments for the next time. */
export class SlotList {
  readonly #segments: Int32Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(slot: number): void {
    const segment = this.#length >>> SEGMENT_BITS;
    if (segment === this.#segments.length) this.#segments.push(new Int32Array(SEGMENT));
    (this.#segments[segment] as Int32Array)[this.#length & (SEGMENT - 1)] = slot;
    this.#length += 1;
  }

  at(index: number): number {
    assert(index < this.#length, 'a slot is read within the list');
    return (this.#segments[index >>> SEGMENT_BITS] as Int32Array)[index & (SEGMENT - 1)] as number;
  }

  clear(): void {
    this.#length = 0;
    if (this.#segments.length > SEGMENTS_KEPT) this.#segments.length = SEGMENTS_KEPT;
  }
}
