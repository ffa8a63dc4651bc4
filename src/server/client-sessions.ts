/**
 * How long client sessions are kept. The state holds what each was answered; when it was last in contact is the leader's memory.
 * A session ends by an entry of the leader, `idleMs` after its last contact. A new leader has heard nobody, so it counts from
 * the begin of its term.
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';

/** How often idle sessions are looked for, and how many are ended at a time. */
const SWEEP_MS = 10_000;
const ENDED_MAX = 100;

/** The last contacts of client sessions, in the memory of the leader. */
export class ClientSessions {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #idleMs: number;
  readonly #proposeEnd: (session: string) => void;
  /** Monotonic instants of the last contact, the oldest first. */
  readonly #contactAtMs = new Map<string, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, timers: Timers, idleMs: number, proposeEnd: (session: string) => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#idleMs = idleMs;
    this.#proposeEnd = proposeEnd;
  }

  /** A term of ours begins; `sessions` are those of the state. */
  begin(sessions: readonly string[]): void {
    this.end();
    for (const session of sessions) this.contact(session);
    this.#arm();
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#contactAtMs.clear();
  }

  /** The session was opened, used, or kept alive by its connection. */
  contact(session: string): void {
    this.#contactAtMs.delete(session);
    this.#contactAtMs.set(session, this.#clock.monotonicMs());
  }

  /** A contact of a session that may be gone already: it does not begin to be known by it. */
  touch(session: string): void {
    if (this.#contactAtMs.has(session)) this.contact(session);
  }

  /** The session's end was applied. */
  forget(session: string): void {
    this.#contactAtMs.delete(session);
  }

  #arm(): void {
    this.#timer = this.#timers.after(SWEEP_MS, () => {
      this.#sweep();
      this.#arm();
    });
  }

  #sweep(): void {
    const before = this.#clock.monotonicMs() - this.#idleMs;
    let ended = 0;
    for (const [session, atMs] of this.#contactAtMs) {
      if (atMs > before || ended === ENDED_MAX) return;
      ended += 1;
      this.#proposeEnd(session);
    }
  }
}
