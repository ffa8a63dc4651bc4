import { assert } from '../../base/assert.ts';
import { growSegments, SEGMENT_BITS, SEGMENT_MASK, SEGMENT_ROWS } from './segments.ts';

/** Segments that a cleared list keeps for the next time. */
const SEGMENTS_KEPT = 256;

/** A list of slots in segments: growing copies nothing, and clearing keeps a few segments for the next time. */
export class SlotList {
  readonly #segments: Int32Array[] = [];
  /** For how many slots there is room. */
  #room = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(slot: number): void {
    const at = this.#length;
    if (at === this.#room) this.#room = growSegments(this.#segments, at, 1, (length) => new Int32Array(length));
    (this.#segments[at >>> SEGMENT_BITS] as Int32Array)[at & SEGMENT_MASK] = slot;
    this.#length = at + 1;
  }

  at(index: number): number {
    assert(index < this.#length, 'a slot is read within the list');
    return (this.#segments[index >>> SEGMENT_BITS] as Int32Array)[index & SEGMENT_MASK] as number;
  }

  clear(): void {
    this.#length = 0;
    if (this.#segments.length > SEGMENTS_KEPT) {
      this.#segments.length = SEGMENTS_KEPT;
      this.#room = SEGMENTS_KEPT * SEGMENT_ROWS;
    }
  }
}
