/** The two clocks of a process. Nothing below `src/system` reads any other. */
export interface Clock {
  /** Milliseconds since an arbitrary start, fractional; never goes back and never jumps. */
  monotonicMs(): number;
  /** Milliseconds since 1970 by the machine's wall clock, which may jump either way. */
  wallMs(): number;
}

/** A timer that has been set. */
export interface Timer {
  /** Ends the timer; harmless when it has fired or was cancelled before. */
  cancel(): void;
}

/** Sets timers, and defers work to after the event that is being handled. */
export interface Timers {
  /** Runs `action` once, not before `delayMs` of monotonic time have passed. */
  after(delayMs: number, action: () => void): Timer;
  /**
   * Runs `action` once, after the current event and every input that is already waiting have been handled.
   * This is what batches: work that arrives together is seen together, and lone work waits for nobody.
   */
  soon(action: () => void): void;
}
