/** Things that are numbered by their place in a list, the smallest free place first, so that what is in use determines the next. */
import { assert } from '../base/assert.ts';
import { Heap } from '../base/heap.ts';

/** See the head of this file. */
export class Slots<T> {
  readonly #values: (T | undefined)[] = [];
  readonly #free = new Heap<number>((left, right) => left - right);
  #count = 0;

  /** How many are in. */
  get count(): number {
    return this.#count;
  }

  /** The place that `add` would give. */
  get nextSlot(): number {
    return this.#free.peek() ?? this.#values.length;
  }

  /** Every place that is in use lies below this one. */
  get end(): number {
    return this.#values.length;
  }

  get(slot: number): T | undefined {
    return this.#values[slot];
  }

  /** The one at `slot`, which is there. */
  at(slot: number): T {
    const value = this.#values[slot];
    assert(value !== undefined, 'a slot that is referred to is in use');
    return value;
  }

  /** Puts `value` in the smallest free place. */
  add(value: T): number {
    const slot = this.#free.pop() ?? this.#values.length;
    this.#values[slot] = value;
    this.#count += 1;
    return slot;
  }

  /** While restoring: puts `value` where it was. `settle` follows. @returns false when the place is taken */
  restore(slot: number, value: T): boolean {
    if (this.#values[slot] !== undefined) return false;
    // A list with holes is slow to read, so they are filled at once.
    while (this.#values.length < slot) this.#values.push(undefined);
    this.#values[slot] = value;
    this.#count += 1;
    return true;
  }

  /** Ends a restore: finds the free places. */
  settle(): void {
    this.#free.clear();
    for (let slot = 0; slot < this.#values.length; slot += 1) {
      if (this.#values[slot] === undefined) this.#free.push(slot);
    }
  }

  remove(slot: number): void {
    assert(this.#values[slot] !== undefined, 'what is removed is there');
    this.#values[slot] = undefined;
    this.#free.push(slot);
    this.#count -= 1;
  }

  /** All of them in the order of their places. */
  *[Symbol.iterator](): Generator<T> {
    for (const value of this.#values) if (value !== undefined) yield value;
  }
}
