import type { Clock, Timer, Timers } from '../../src/base/clock.ts';
import { Heap } from '../../src/base/heap.ts';

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  action: (() => void) | undefined;
}

/**
 * A clock that stands still while code runs, and timers that fire when it is moved. Between two events every promise that can
 * be fulfilled is; so a test that waits for something advances until it is there, and never sleeps.
 */
export class VirtualTime implements Timers {
  #nowMs = 0;
  #sequence = 0;
  readonly #events = new Heap<Event>((left, right) => left.atMs - right.atMs || left.sequence - right.sequence);

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): Timer {
    return this.at(this.#nowMs + delayMs, action);
  }

  soon(action: () => void): void {
    this.at(this.#nowMs, action);
  }

  at(atMs: number, action: () => void): Timer {
    const event: Event = { atMs, sequence: this.#sequence, action };
    this.#sequence += 1;
    this.#events.push(event);
    return {
      cancel: () => {
        event.action = undefined;
      },
    };
  }

  /** A clock of one process. Its wall clock is `wallMs` now and can be set. */
  clock(wallMs: number): VirtualClock {
    return new VirtualClock(this, wallMs);
  }

  /** Runs all that is due within the next `forMs`. */
  async advance(forMs: number): Promise<void> {
    const endMs = this.#nowMs + forMs;
    await settle();
    for (;;) {
      const next = this.#events.peek();
      if (next === undefined || next.atMs > endMs) break;
      await this.#fire();
    }
    this.#nowMs = endMs;
  }

  /** Runs until `condition` holds; fails after `limitMs` of virtual time, naming `what` was waited for. */
  async until(what: string, condition: () => boolean, limitMs = 30_000): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    await settle();
    while (!condition()) {
      const next = this.#events.peek();
      if (next === undefined || next.atMs > endMs) throw new Error(`waited in vain for: ${what}`);
      await this.#fire();
    }
  }

  /** Runs until `promise` is settled and gives what it gave. */
  async finish<T>(promise: Promise<T>, limitMs = 30_000): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    await this.until('a promise', () => done, limitMs);
    return promise;
  }

  async #fire(): Promise<void> {
    const event = this.#events.pop();
    if (event?.action === undefined) return;
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    event.action();
    await settle();
  }
}

/** The clocks of one process in virtual time. */
export class VirtualClock implements Clock {
  readonly #time: VirtualTime;
  /** Wall clock minus virtual time. */
  #offsetMs: number;

  constructor(time: VirtualTime, wallMs: number) {
    this.#time = time;
    this.#offsetMs = wallMs - time.nowMs;
  }

  monotonicMs(): number {
    return this.#time.nowMs;
  }

  wallMs(): number {
    return this.#time.nowMs + this.#offsetMs;
  }

  /** Someone sets the wall clock, forwards or backwards. */
  jump(byMs: number): void {
    this.#offsetMs += byMs;
  }
}

/** Lets every promise run that can. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
