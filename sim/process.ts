/** A process of the simulated world: its clocks, its timers and its luck. Everything it set out to do ends with it. */
import { assert } from '../src/base/assert.ts';
import type { Clock, Timer, Timers } from '../src/base/clock.ts';
import type { Logger, LogFields } from '../src/base/logger.ts';
import type { Random } from '../src/base/random.ts';
import { below } from '../src/base/random.ts';
import type { Owner, World, WorldEvent } from './world.ts';

/** Timers fire up to this much late, in µs, as they do in Node. */
const TIMER_LATE_US_MAX = 1_200;

/** How the host's clocks behave. They outlive its processes. */
export interface HostClock {
  /** Seconds that the monotonic clock counts in a second. */
  readonly rate: number;
  /** How far the wall clock is off, in ms. */
  skewMs: number;
  /** What a look at the clock costs, in µs: so that work that is cut into slices by the clock is really cut. */
  readonly lookUs: number;
}

/** See the head of this file. */
export class SimProcess implements Owner {
  readonly name: string;
  readonly host: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly #world: World;
  readonly #hostClock: HostClock;
  readonly #luck: Random;
  readonly #bornUs: number;
  #alive = true;
  #paused = false;
  #deferred: WorldEvent[] = [];
  /** The local instant of the last look at the clock, in µs since the process was born. */
  #lookedUs = 0;

  /** `name` is drawn anew for each start on a host, so that each has random numbers of its own. */
  constructor(world: World, host: string, name: string, hostClock: HostClock) {
    this.#world = world;
    this.host = host;
    this.name = name;
    this.#hostClock = hostClock;
    this.#bornUs = world.nowUs;
    this.random = world.random(`random of ${name}`);
    this.#luck = world.random(`timers of ${name}`);
    this.clock = { monotonicMs: () => this.#look() / 1000, wallMs: () => this.#wallMs() };
    this.timers = {
      after: (delayMs, action) => this.#after(delayMs, action),
      soon: (action) => {
        if (this.#alive) world.schedule(world.nowUs, 'soon', this, action);
      },
    };
    const log = (level: string) => (message: string, fields?: LogFields) => {
      world.line(host, () => `log ${level}: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`);
    };
    this.logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Ends it where it stands. What it would still have said in this very event is lost too. */
  kill(): void {
    this.#alive = false;
    this.#deferred = [];
  }

  pause(): void {
    this.#paused = true;
  }

  /** Goes on: everything that waited happens now, in its order. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const event of this.#deferred.splice(0)) this.#world.again(event);
  }

  defer(event: WorldEvent): void {
    assert(this.#paused, 'only a paused process keeps events waiting');
    this.#deferred.push(event);
  }

  #localUs(): number {
    return (this.#world.nowUs - this.#bornUs) * this.#hostClock.rate;
  }

  #look(): number {
    this.#lookedUs = Math.max(this.#lookedUs + this.#hostClock.lookUs, this.#localUs());
    return this.#lookedUs;
  }

  #wallMs(): number {
    return this.#world.epochMs + this.#world.nowUs / 1000 + this.#hostClock.skewMs;
  }

  #after(delayMs: number, action: () => void): Timer {
    assert(delayMs >= 0 && Number.isFinite(delayMs), 'a delay is a number of ms');
    if (!this.#alive) return { cancel: () => {} };
    // From the instant that the process believes it is, which its own looks may have brought ahead of the world.
    const aheadUs = Math.max(0, this.#lookedUs - this.#localUs());
    const lateUs = below(this.#luck, TIMER_LATE_US_MAX);
    const waitUs = Math.ceil((delayMs * 1000 + aheadUs) / this.#hostClock.rate) + lateUs;
    const event = this.#world.schedule(this.#world.nowUs + waitUs, 'timer', this, action);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }
}
