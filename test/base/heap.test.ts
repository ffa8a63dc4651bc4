import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Heap } from '../../src/base/heap.ts';

interface Event {
  readonly atMs: number;
  readonly sequence: number;
}

function byTime(left: Event, right: Event): number {
  return left.atMs - right.atMs || left.sequence - right.sequence;
}

describe('Heap', () => {
  test('an empty heap has nothing to peek at or to pop', () => {
    const heap = new Heap<number>((left, right) => left - right);
    expect(heap.size).toBe(0);
    expect(heap.peek()).toBeUndefined();
    expect(heap.pop()).toBeUndefined();
  });

  test('peek shows what pop takes and leaves it inside', () => {
    const heap = new Heap<number>((left, right) => left - right);
    heap.push(2);
    heap.push(1);
    expect([heap.peek(), heap.size]).toEqual([1, 2]);
    expect([heap.pop(), heap.size]).toEqual([1, 1]);
  });

  test('undefined may be an element: size tells it from emptiness', () => {
    const heap = new Heap<number | undefined>((left, right) => (left ?? -1) - (right ?? -1));
    heap.push(1);
    heap.push(undefined);
    expect([heap.size, heap.pop(), heap.pop(), heap.size]).toEqual([2, undefined, 1, 0]);
  });

  test('clear empties it for the next use', () => {
    const heap = new Heap<number>((left, right) => left - right);
    heap.push(3);
    heap.push(4);
    heap.clear();
    expect(heap.size).toBe(0);
    heap.push(9);
    expect([heap.pop(), heap.pop()]).toEqual([9, undefined]);
  });

  test('whatever is pushed and popped in between, it agrees with a list that is sorted every time', () => {
    const step = fc.oneof({ weight: 3, arbitrary: fc.nat(20) }, { weight: 2, arbitrary: fc.constant('pop' as const) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const heap = new Heap<Event>(byTime);
        const model: Event[] = [];
        steps.forEach((taken, sequence) => {
          if (taken === 'pop') {
            expect(heap.pop()).toEqual(model.shift());
          } else {
            heap.push({ atMs: taken, sequence });
            model.push({ atMs: taken, sequence });
            model.sort(byTime);
          }
          expect(heap.peek()).toEqual(model[0]);
          expect(heap.size).toBe(model.length);
        });
      }),
    );
  });
});
