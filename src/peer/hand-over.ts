/**
 * How a peer lets go of leadership before it stops, or before it opens its directory anew: it takes nothing more, answers what it
 * can answer quickly, and has another peer lead, so that nobody waits for an election timeout.
 */
import type { Clock, Timers } from '../base/clock.ts';
import type { Member } from './member.ts';

/** How long a stop waits for proposals under way, in ms; where a majority answers they need a few. */
const FLUSH_MS = 200;

/** Between two looks whether they are answered, in ms: nobody places tasks until they are and a successor leads. */
const FLUSH_LOOK_MS = 1;

/** How long a leader whose disk has failed waits for another one to lead, in ms: one that is up to date needs a few. */
const STEP_ASIDE_MS = 100;

/** See the head of this file. One hand-over goes on at a time. */
export class HandOver {
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** Ends the wait for a successor; undefined while nobody waits. */
  #successor: (() => void) | undefined;

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Another peer leads, or nobody waits for that any more. */
  over(): void {
    this.#successor?.();
  }

  /** Answers those whose proposals were taken, as far as that goes quickly, and makes another peer lead; waits for it for `mostMs`. */
  async finish(member: Member, mostMs: number): Promise<void> {
    member.refuseProposals();
    const untilMs = this.#clock.monotonicMs() + FLUSH_MS;
    while (member.serving && !member.quiet && this.#clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => {
        this.#timers.after(FLUSH_LOOK_MS, resolve);
      });
    }
    if (member.yieldLeadership()) await this.#untilSuccessor(mostMs);
  }

  /** What needs no disk is done to the end: whoever can take over is made to lead. */
  async stepAside(member: Member): Promise<void> {
    member.refuseProposals();
    if (member.yieldLeadership()) await this.#untilSuccessor(STEP_ASIDE_MS);
  }

  /** Waits until this peer leads no more, at most for `mostMs`. */
  #untilSuccessor(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#timers.after(mostMs, () => {
        this.over();
      });
      this.#successor = (): void => {
        timer.cancel();
        this.#successor = undefined;
        resolve();
      };
    });
  }
}
