/**
 * Those who wait for the end of a task. A wait is entered first and the state is looked at afterwards, so that an end between
 * the two is never missed. Waits live on the leader alone: when it stops leading they are sent away with NOT_LEADER, and
 * clients bring them to the next one.
 */
import { assert } from '../base/assert.ts';
import type { TaskView } from '../scheduler/views.ts';

/** One wait of one connection. Each is told once at most; what comes later is ignored. */
export interface Waiter {
  /** The task is final; undefined when it is not kept any more. */
  ended(task: TaskView | undefined): void;
  /** The leader stops leading. */
  leaderGone(): void;
  /** How the task ended cannot be read here, for `error`. */
  unreadable(error: unknown): void;
}

/** All waits for results on this peer, bounded. */
export class Waiters {
  readonly #byTask = new Map<number, Set<Waiter>>();
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** All that wait. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.#max;
  }

  /** Only while it is not full. */
  add(number: number, waiter: Waiter): void {
    assert(!this.isFull, 'there is room for one more wait');
    const waiting = this.#byTask.get(number);
    if (waiting === undefined) this.#byTask.set(number, new Set([waiter]));
    else waiting.add(waiter);
    this.#count += 1;
  }

  remove(number: number, waiter: Waiter): void {
    const waiting = this.#byTask.get(number);
    if (waiting?.delete(waiter) !== true) return;
    this.#count -= 1;
    if (waiting.size === 0) this.#byTask.delete(number);
  }

  /** Whether anybody waits for `number`; cheap, since it is asked for every task that ends. */
  waitedFor(number: number): boolean {
    return this.#count > 0 && this.#byTask.has(number);
  }

  /** Takes out all who wait for the task, to be told. */
  take(number: number): readonly Waiter[] {
    const waiting = [...(this.#byTask.get(number) ?? [])];
    this.#byTask.delete(number);
    this.#count -= waiting.length;
    return waiting;
  }

  /** Takes out everyone, to be sent away. */
  takeAll(): readonly Waiter[] {
    const all = [...this.#byTask.values()].flatMap((waiting) => [...waiting]);
    this.#byTask.clear();
    this.#count = 0;
    return all;
  }
}
