import { assert } from './assert.ts';

/** Negative when `left` leaves the heap before `right`, positive when after it, 0 when it does not matter. */
export type Compare<T> = (left: T, right: T) => number;

/**
 * A binary min-heap: the element that `compare` puts first leaves first. `push` and `pop` cost the logarithm of `size`.
 *
 * Elements that compare equal leave in an order that depends on what else is in the heap. Where the order can be seen,
 * as in an event queue, let `compare` break ties by a sequence number. An element must not change its order while inside.
 */
export class Heap<T> {
  /** Invariant: no element comes before its parent, which is at `(at - 1) >> 1`. */
  readonly #elements: T[] = [];
  readonly #compare: Compare<T>;

  /** An empty heap. `compare` must be a total preorder: consistent, and transitive. */
  constructor(compare: Compare<T>) {
    this.#compare = compare;
  }

  /** How many elements are inside. */
  get size(): number {
    return this.#elements.length;
  }

  /** The element that `pop` would take, or undefined when the heap is empty. */
  peek(): T | undefined {
    return this.#elements[0];
  }

  /** Adds one element. */
  push(element: T): void {
    const elements = this.#elements;
    let at = elements.length;
    elements.push(element);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = elements[parent] as T;
      if (this.#compare(above, element) <= 0) break;
      elements[at] = above;
      at = parent;
    }
    elements[at] = element;
  }

  /** Takes the first element out, or returns undefined when the heap is empty. */
  pop(): T | undefined {
    const elements = this.#elements;
    if (elements.length === 0) return undefined;
    const first = elements[0] as T;
    const last = elements.pop() as T;
    if (elements.length > 0) this.#sink(last);
    return first;
  }

  /** Takes everything out, in no order. */
  clear(): void {
    this.#elements.length = 0;
  }

  /** Puts `element` in the place of the root, which has left, and moves it down to where it belongs. */
  #sink(element: T): void {
    const elements = this.#elements;
    const size = elements.length;
    assert(size > 0, 'only a heap that is not empty has a root to replace');
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#compare(elements[child + 1] as T, elements[child] as T) < 0) child += 1;
      const below = elements[child] as T;
      if (this.#compare(element, below) <= 0) break;
      elements[at] = below;
      at = child;
    }
    elements[at] = element;
  }
}
