/**
 * Watches the own wall clock on behalf of a member: says when it is wrong, and has leadership handed to a peer whose clock is right.
 */
import type { PeerId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Raft } from '../raft/raft.ts';
import { judgeClock } from './clock-watch.ts';
import type { Instant, LogTime } from './log-time.ts';
import type { PeerAlarm } from './types.ts';

/**
 * Between two attempts to hand leadership over because of a wrong clock, in ms. One that failed would fail again, where links are
 * broken for instance, and each costs a moment without a leader; stamps follow the median of the clocks meanwhile.
 */
const HAND_OVER_PAUSE_MS = 30_000;

/** See the head of this file. */
export class ClockGuard {
  readonly #self: PeerId;
  readonly #logTime: LogTime;
  readonly #raft: Raft;
  readonly #logger: Logger;
  #alarm: PeerAlarm | undefined;
  /** No hand-over before this monotonic instant. */
  #handOverFromMs = 0;

  constructor(parts: {
    readonly self: PeerId;
    readonly logTime: LogTime;
    readonly raft: Raft;
    readonly logger: Logger;
  }) {
    this.#self = parts.self;
    this.#logTime = parts.logTime;
    this.#raft = parts.raft;
    this.#logger = parts.logger;
  }

  /** What an operator should look at. */
  get alarm(): PeerAlarm | undefined {
    return this.#alarm;
  }

  /** Compares the clocks; called about once a second. True when a transfer of leadership may have begun. */
  look(now: Instant): boolean {
    const verdict = judgeClock(this.#logTime, now, this.#raft.status());
    if (verdict.type === 'fine') {
      if (this.#alarm !== undefined) this.#logger.info('the wall clock is right again');
      this.#alarm = undefined;
      return false;
    }
    const offset = `The wall clock of ${this.#self} is ${Math.round(verdict.offsetMs)} ms off the median of the peers`;
    const message = `${offset}: set it right, with NTP by preference.`;
    if (this.#alarm === undefined) this.#logger.warn(message);
    this.#alarm = { code: 'CLOCK_OFF', message };
    if (verdict.type !== 'hand-over' || now.monotonicMs < this.#handOverFromMs) return false;
    this.#logger.warn(`${offset}: handing leadership to ${verdict.to}.`);
    this.#handOverFromMs = now.monotonicMs + HAND_OVER_PAUSE_MS;
    this.#raft.transferLeadership(verdict.to);
    return true;
  }
}
