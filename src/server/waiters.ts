/**
 * Those who wait for the end of a task. A wait is entered first and the state is looked at afterwards, so that an end between
 * the two is never missed. Waits live on the leader alone: when it stops leading they are sent away with NOT_LEADER, and
 * clients bring them to the next one.
 */
import type { TaskView } from '../scheduler/views.ts';

/** One wait of one connection. */
export interface Waiter {
  readonly requestId: number;
  ended(task: TaskView): void;
  /** The leader stops leading. */
  leaderGone(): void;
}

/** All waits for results on this peer, bounded. */
export class Waiters {
  readonly #byTask = new Map<number, Set<Waiter>>();
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** False when there are too many already. */
  add(number: number, waiter: Waiter): boolean {
    if (this.#count >= this.#max) return false;
    const waiting = this.#byTask.get(number);
    if (waiting === undefined) this.#byTask.set(number, new Set([waiter]));
    else waiting.add(waiter);
    this.#count += 1;
    return true;
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

  /** Tells everyone who waits for the task. */
  ended(task: TaskView): void {
    const waiting = this.#byTask.get(task.number);
    if (waiting === undefined) return;
    this.#byTask.delete(task.number);
    this.#count -= waiting.size;
    for (const waiter of waiting) waiter.ended(task);
  }

  /** Sends everyone away. */
  clear(): void {
    const all = [...this.#byTask.values()];
    this.#byTask.clear();
    this.#count = 0;
    for (const waiting of all) for (const waiter of waiting) waiter.leaderGone();
  }
}
