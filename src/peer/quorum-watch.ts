/**
 * How long ago a quorum certainly still followed this leader.
 *
 * Asked for by rounds as reads use them, a few a second, and counted from the begin of a round, not from its answers: after
 * a pause of this process answers of long ago wait in its sockets, and they prove nothing about now. A leader that is cut off, or
 * was replaced while it stood still, is thereby kept from telling a worker that its lease goes on.
 */
import type { Clock } from '../base/clock.ts';
import type { ReadDone } from './types.ts';

/** Between two rounds, in ms. */
const ROUND_MS = 100;

/** See the head of this file. */
export class QuorumWatch {
  readonly #clock: Clock;
  readonly #read: (done: ReadDone) => void;
  /** When the newest round began that a quorum has answered; undefined when none has in this leadership. */
  #confirmedMs: number | undefined;
  #begunMs: number | undefined;
  /** Counts leaderships, so that a late answer to a round of an earlier one is not taken for ours. */
  #epoch = 0;
  #waiting = false;

  /** `read` asks for a linearizable read. */
  constructor(clock: Clock, read: (done: ReadDone) => void) {
    this.#clock = clock;
    this.#read = read;
  }

  /** Milliseconds since the last moment at which a quorum is known to have followed; infinite when there was none. */
  heardMsAgo(): number {
    return this.#confirmedMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - this.#confirmedMs;
  }

  /** Leadership began or ended: nothing that was heard before counts. */
  reset(): void {
    this.#epoch += 1;
    this.#confirmedMs = undefined;
    this.#begunMs = undefined;
    this.#waiting = false;
  }

  /** Begins a round when it is time. Called at every tick while this peer serves. */
  tick(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#waiting || (this.#begunMs !== undefined && nowMs - this.#begunMs < ROUND_MS)) return;
    const epoch = this.#epoch;
    this.#begunMs = nowMs;
    this.#waiting = true;
    this.#read((result) => {
      if (epoch !== this.#epoch) return;
      this.#waiting = false;
      if (result === 'ok') this.#confirmedMs = nowMs;
    });
  }
}
