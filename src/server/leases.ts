/**
 * Who is alive. Heartbeats are not logged: the leader keeps in memory when it last heard of each worker, and what goes into the
 * log are its verdicts.
 *
 *     attached ──connection ends──▶ away ──lostAfterAwayMs──▶ lost
 *        ▲  │                        │
 *        │  └─missed heartbeats──────┼──────────────────────▶ lost
 *        └────────attaches───────────┘
 *
 * A new leader has heard nobody yet, so it owes every worker one whole lease before any verdict. A leader whose own process
 * stood still cannot tell silence from deafness: the time that it missed itself counts for nobody.
 *
 * Invariants: from when a loss is proposed until it is settled no heartbeat of the worker is answered, so that no lease is
 * prolonged which the verdict takes for over. Every verdict that was not applied is proposed again while it is due.
 *
 * What it does not do: it never looks at tasks. What a verdict means for them is decided where it is applied.
 */
import { assert } from '../base/assert.ts';
import type { Clock, Timer, Timers } from '../base/clock.ts';

/** Lengths of leases and of patience, in ms. `leaseMs` is more than three times `heartbeatMs`. */
export interface LeaseOptions {
  /** Length of a lease, which the SDK fences itself by. Default 15,000. */
  readonly leaseMs: number;
  /** How often a worker says that it lives. Default 3,000. */
  readonly heartbeatMs: number;
  /** From the end of a worker's connection to its loss. Default 5,000. */
  readonly lostAfterAwayMs: number;
}

/** The defaults. */
export const LEASE_DEFAULTS: LeaseOptions = { leaseMs: 15_000, heartbeatMs: 3_000, lostAfterAwayMs: 5_000 };

/** Heartbeats that may be missed before a worker is lost. */
const MISSED_MAX = 3;
/** How often verdicts are considered. */
const SWEEP_MS = 250;
/** A sweep that is later than this means that our own process stood still. */
const STALL_MS = 1_000;

/** What the leases ask of the leader. Each is settled by `awaySettled` or `lostSettled`, never within the call. */
export interface LeaseVerdicts {
  proposeAway(worker: string, instance: string): void;
  /** `sinceRenewalMs`: how long ago the worker was last heard. */
  proposeLost(worker: string, instance: string, sinceRenewalMs: number): void;
}

interface WorkerLease {
  readonly instance: string;
  /** `owed`: known from the state, not heard in this term. */
  state: 'owed' | 'attached' | 'away';
  /** Monotonic instant at which the worker was last heard, or became known. */
  heardAtMs: number;
  /** Monotonic instant at which `away` began; meaningless in other states. */
  awayAtMs: number;
  /** The state knows that it is away, or is about to. Meaningless in other states. */
  awayTold: boolean;
  /** A loss is proposed and not settled. */
  lostUnderWay: boolean;
  /** Monotonic instant before which no loss is proposed again. */
  verdictAgainAtMs: number;
}

/** Liveness of all workers, in the memory of the leader. */
export class Leases {
  readonly #options: LeaseOptions;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #verdicts: LeaseVerdicts;
  readonly #workers = new Map<string, WorkerLease>();
  #timer: Timer | undefined;
  #sweptAtMs = 0;

  constructor(options: LeaseOptions, clock: Clock, timers: Timers, verdicts: LeaseVerdicts) {
    assert(options.heartbeatMs * MISSED_MAX < options.leaseMs, 'a worker is lost before its lease ends');
    this.#options = options;
    this.#clock = clock;
    this.#timers = timers;
    this.#verdicts = verdicts;
  }

  /** A term of ours begins: `workers` are those of the state that were not lost or gone. Each is owed a whole lease. */
  begin(workers: readonly { readonly id: string; readonly instance: string }[]): void {
    this.end();
    for (const { id, instance } of workers) this.#workers.set(id, this.#lease(instance, 'owed', false));
    this.#sweptAtMs = this.#clock.monotonicMs();
    this.#arm();
  }

  /** We no longer lead: what was heard is worth nothing to the next leader. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#workers.clear();
  }

  /** The worker's attachment was applied. */
  attached(worker: string, instance: string): void {
    const before = this.#workers.get(worker);
    // A loss that is under way will be applied after this attachment, and takes the worker all the same.
    const lostUnderWay = before?.instance === instance && before.lostUnderWay;
    this.#workers.set(worker, this.#lease(instance, 'attached', lostUnderWay));
  }

  /** Any sign of life. False when a heartbeat must not be answered: the worker is not attached here, or is being given up. */
  heard(worker: string, instance: string): boolean {
    const lease = this.#find(worker, instance);
    if (lease?.state !== 'attached') return false;
    lease.heardAtMs = this.#clock.monotonicMs();
    return !lease.lostUnderWay;
  }

  /** The connection of an attached worker ended. */
  disconnected(worker: string, instance: string): void {
    const lease = this.#find(worker, instance);
    if (lease?.state !== 'attached') return;
    lease.state = 'away';
    lease.awayAtMs = this.#clock.monotonicMs();
    this.#tellAway(worker, lease);
  }

  /**
   * What `proposeAway` asked for was applied, or could not be proposed. True when the worker has attached anew before it was
   * applied: then the state takes for away who is connected, and only one more attachment puts that right.
   */
  awaySettled(worker: string, instance: string, applied: boolean): boolean {
    const lease = this.#find(worker, instance);
    if (lease === undefined) return false;
    if (!applied) {
      lease.awayTold = false;
      return false;
    }
    if (lease.state !== 'attached') return false;
    lease.state = 'away';
    lease.awayAtMs = this.#clock.monotonicMs();
    lease.awayTold = true;
    return true;
  }

  /** What `proposeLost` asked for was applied, so that the worker is known no more, or was refused. */
  lostSettled(worker: string, instance: string, applied: boolean): void {
    const lease = this.#find(worker, instance);
    if (applied) this.forget(worker, instance);
    else if (lease !== undefined) lease.lostUnderWay = false;
  }

  /** The worker left: no more verdicts on it. */
  forget(worker: string, instance: string): void {
    if (this.#find(worker, instance) !== undefined) this.#workers.delete(worker);
  }

  /** Milliseconds since the worker was last heard; undefined when it is not known here. */
  sinceHeardMs(worker: string): number | undefined {
    const lease = this.#workers.get(worker);
    return lease === undefined || lease.state === 'owed' ? undefined : this.#clock.monotonicMs() - lease.heardAtMs;
  }

  #find(worker: string, instance: string): WorkerLease | undefined {
    const lease = this.#workers.get(worker);
    return lease?.instance === instance ? lease : undefined;
  }

  #lease(instance: string, state: WorkerLease['state'], lostUnderWay: boolean): WorkerLease {
    const heardAtMs = this.#clock.monotonicMs();
    return { instance, state, heardAtMs, awayAtMs: 0, awayTold: false, lostUnderWay, verdictAgainAtMs: 0 };
  }

  #tellAway(worker: string, lease: WorkerLease): void {
    lease.awayTold = true;
    this.#verdicts.proposeAway(worker, lease.instance);
  }

  #arm(): void {
    this.#timer = this.#timers.after(SWEEP_MS, () => {
      this.#arm();
      this.#sweep();
    });
  }

  #sweep(): void {
    const now = this.#clock.monotonicMs();
    const stalledMs = now - this.#sweptAtMs - SWEEP_MS;
    this.#sweptAtMs = now;
    // What lies in our socket buffers has not been read yet, so nobody pays for our own pause.
    if (stalledMs > STALL_MS) this.#shift(stalledMs);
    for (const [worker, lease] of this.#workers) {
      if (lease.state === 'away' && !lease.awayTold) this.#tellAway(worker, lease);
      if (lease.lostUnderWay || now < lease.verdictAgainAtMs || !this.#isOverdue(lease, now)) continue;
      lease.lostUnderWay = true;
      lease.verdictAgainAtMs = now + this.#options.heartbeatMs;
      this.#verdicts.proposeLost(worker, lease.instance, Math.floor(now - lease.heardAtMs));
    }
  }

  #isOverdue(lease: WorkerLease, now: number): boolean {
    switch (lease.state) {
      case 'owed':
        return now - lease.heardAtMs >= this.#options.leaseMs;
      case 'away':
        return now - lease.awayAtMs >= this.#options.lostAfterAwayMs;
      case 'attached':
        return now - lease.heardAtMs > this.#options.heartbeatMs * MISSED_MAX;
    }
  }

  #shift(byMs: number): void {
    for (const lease of this.#workers.values()) {
      lease.heardAtMs += byMs;
      lease.awayAtMs += byMs;
    }
  }
}
