/**
 * Virtual time: a heap of events, taken out one by one.
 *
 * An event runs to its end, with every promise that it settles, before the next one begins; time stands still meanwhile. Events
 * of one instant run in the order in which they were scheduled. So a run is a function of its seed.
 *
 * Events that belong to a process run only while it lives; those of a paused process wait until it goes on.
 */
import { assert } from '../src/base/assert.ts';
import { deriveSeed, SeededRandom } from '../src/base/random.ts';
import { Copies } from './copies.ts';
import { EventQueue } from './event-queue.ts';
import type { Trace } from './trace.ts';
import { takeSteps } from './turns.ts';

/**
 * What kind of event. A timer counts when its process said or wrote something for it: at once, in what its promises settled, or in
 * work that it put off. `soon` (that work) and `plan` (what the simulation itself does next) never count themselves.
 */
export type EventKind = 'delivery' | 'connection' | 'disk' | 'fault' | 'timer' | 'soon' | 'plan';

/** What each is in the hash of the trace. */
const KINDS: Readonly<Record<EventKind, number>> = {
  delivery: 1,
  connection: 2,
  disk: 3,
  fault: 4,
  timer: 5,
  soon: 6,
  plan: 7,
};

/** Whoever events belong to. */
export interface Owner {
  readonly name: string;
  readonly alive: boolean;
  readonly paused: boolean;
  /** Keeps what would have happened until the pause is over. */
  defer(event: WorldEvent): void;
}

/** An event that has been scheduled. */
export interface WorldEvent {
  atUs: number;
  sequence: number;
  readonly kind: EventKind;
  readonly owner: Owner | undefined;
  readonly action: () => void;
  cancelled: boolean;
  /** A timer's own event, and for work that it put off that of the timer, until it has counted. */
  timer: WorldEvent | undefined;
}

/** Something that must not have happened. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** Which checker saw it. */
  readonly checker: string;

  constructor(checker: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.checker = checker;
  }
}

/** See the head of this file. */
export class World {
  readonly trace: Trace;
  /** For what travels. */
  readonly messages: Copies = new Copies();
  /** What right clocks show when the run begins, in ms since 1970: 2026-01-01, unless it is set before anything runs. */
  epochMs = 1_767_225_600_000;
  readonly #seed: number;
  readonly #heap = new EventQueue();
  /**
   * What is to happen at this very instant, in order: a third of all events. Invariant: those of the instant that are in the heap
   * were scheduled before any of these. Places are used again rather than given back, which costs more than an event.
   */
  readonly #now: WorldEvent[] = [];
  #nowAt = 0;
  #nowEnd = 0;
  readonly counts: Record<EventKind, number> = {
    delivery: 0,
    connection: 0,
    disk: 0,
    fault: 0,
    timer: 0,
    soon: 0,
    plan: 0,
  };
  /** Microseconds since the begin. Whole numbers, so that their order is exact. */
  #nowUs = 0;
  #sequence = 0;
  /** Things said and written so far. */
  #effects = 0;
  #current: Owner | undefined;
  /** The event that runs, until everything that it settled is done. */
  #running: WorldEvent | undefined;
  #failure: Violation | undefined;
  /** What was said and written when the present event began. */
  #effectsBefore = 0;
  /**
   * Called after every event, when everything that it settled is done. `quiet`: it was a timer, or work put off, and nothing
   * was said or written.
   */
  afterEvent: (owner: Owner | undefined, quiet: boolean) => void = () => {};

  constructor(seed: number, trace: Trace) {
    this.#seed = seed;
    this.trace = trace;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  /** Events that count: those in which something crossed a border of a process. */
  get countedEvents(): number {
    const { delivery, connection, disk, fault, timer } = this.counts;
    return delivery + connection + disk + fault + timer;
  }

  /** Whose event this is. */
  get current(): Owner | undefined {
    return this.#current;
  }

  /** A stream of random numbers of its own. */
  random(label: string): SeededRandom {
    return new SeededRandom(deriveSeed(this.#seed, label));
  }

  /** Runs `action` at `atUs` for `owner`, or for the world itself. */
  schedule(atUs: number, kind: EventKind, owner: Owner | undefined, action: () => void): WorldEvent {
    assert(Number.isSafeInteger(atUs) && atUs >= this.#nowUs, 'events are in the future, in whole microseconds');
    const timer = kind === 'soon' ? this.#running?.timer : undefined;
    const event: WorldEvent = { atUs, sequence: this.#sequence, kind, owner, action, cancelled: false, timer };
    if (kind === 'timer') event.timer = event;
    this.#add(event);
    return event;
  }

  /** Puts back an event that waited for its owner. */
  again(event: WorldEvent): void {
    event.atUs = this.#nowUs;
    event.sequence = this.#sequence;
    this.#add(event);
  }

  /** Something left a process. */
  effect(): void {
    this.#effects += 1;
  }

  /** True when lines of the trace are taken. */
  get listens(): boolean {
    return this.trace.listens;
  }

  /** Notes a line of the trace. */
  line(who: string, words: string | (() => string)): void {
    this.trace.line(this.#nowUs, who, words);
  }

  /** Ends the run: a property is broken. */
  fail(violation: Violation): void {
    this.#failure ??= violation;
  }

  /** Runs a check from within the product's own calls, which might take what it throws for an error of theirs. */
  check(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fail(asViolation(error, this.#current));
    }
  }

  /** Runs events until virtual time reaches `untilUs` or `done` says so after one. @throws Violation */
  run(untilUs: number, done: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      let ran: WorldEvent | undefined;
      takeSteps(() => {
        if (ran !== undefined) this.#after(ran);
        ran = this.#failure === undefined && !(ran !== undefined && done()) ? this.#take(untilUs) : undefined;
        if (ran !== undefined) this.#perform(ran);
        else if (this.#failure === undefined) resolve();
        else reject(this.#failure);
        return ran !== undefined;
      });
    });
  }

  #add(event: WorldEvent): void {
    this.#sequence += 1;
    if (event.atUs === this.#nowUs) {
      this.#now[this.#nowEnd] = event;
      this.#nowEnd += 1;
    } else this.#heap.push(event);
  }

  /** Takes out what is next, up to `untilUs`. */
  #next(untilUs: number): WorldEvent | undefined {
    const first = this.#heap.peek();
    const immediate = this.#nowAt < this.#nowEnd ? this.#now[this.#nowAt] : undefined;
    if (immediate !== undefined && (first === undefined || first.atUs > this.#nowUs)) {
      this.#nowAt += 1;
      if (this.#nowAt === this.#nowEnd) {
        this.#nowAt = 0;
        this.#nowEnd = 0;
      }
      return immediate;
    }
    return first === undefined || first.atUs > untilUs ? undefined : this.#heap.pop();
  }

  #take(untilUs: number): WorldEvent | undefined {
    for (;;) {
      const event = this.#next(untilUs);
      if (event === undefined) {
        this.#nowUs = Math.max(this.#nowUs, untilUs);
        return undefined;
      }
      if (event.cancelled || event.owner?.alive === false) continue;
      if (event.owner?.paused === true) {
        event.owner.defer(event);
        continue;
      }
      return event;
    }
  }

  #perform(event: WorldEvent): void {
    this.#nowUs = event.atUs;
    this.#effectsBefore = this.#effects;
    this.#current = event.owner;
    this.#running = event;
    try {
      event.action();
    } catch (error) {
      this.fail(asViolation(error, event.owner));
    }
    if (event.kind !== 'timer') this.#count(event);
  }

  #after(event: WorldEvent): void {
    const { timer } = event;
    const silent = this.#effects === this.#effectsBefore;
    if (!silent && timer !== undefined && timer.timer !== undefined) {
      timer.timer = undefined;
      this.#count(timer);
    }
    try {
      this.afterEvent(event.owner, silent && (event.kind === 'timer' || event.kind === 'soon'));
    } catch (error) {
      this.fail(asViolation(error, event.owner));
    }
    this.#current = undefined;
    this.#running = undefined;
  }

  #count({ kind, atUs }: WorldEvent): void {
    this.counts[kind] += 1;
    this.trace.fold(atUs);
    this.trace.fold(KINDS[kind]);
  }
}

/** What escaped from an event is a broken property, whoever's it is: nothing in the product throws into the event loop. */
export function asViolation(error: unknown, owner: Owner | undefined): Violation {
  if (error instanceof Violation) return error;
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Violation('no-escape', `an error escaped from ${owner?.name ?? 'the simulation'}: ${words}`, error);
}
