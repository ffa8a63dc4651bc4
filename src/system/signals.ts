import type { Clock } from '../base/clock.ts';
import { REAL_CLOCK } from './real-clock.ts';

/** What a process does when it is asked to end. */
export interface StopHandlers {
  /** The first request: finish in order. The process goes on until it does. */
  stop(signal: string): void;
  /** A second request: whoever asks twice does not want to wait. Called for the second one only. */
  force(signal: string): void;
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/**
 * The same signal again within this many ms is an echo: on Ctrl-C a program that npm runs gets one signal of the terminal and one
 * of npm, which passes its own on.
 */
const ECHO_MS = 500;

/**
 * Calls `stop` on the first SIGINT or SIGTERM and `force` on the second, of either kind.
 *
 * @returns a function that takes the handlers away, after which signals end the process as they do by default.
 */
export function onStopSignals(handlers: StopHandlers, clock: Clock = REAL_CLOCK): () => void {
  let requests = 0;
  let last: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;
  const listener = (signal: NodeJS.Signals): void => {
    const atMs = clock.monotonicMs();
    if (last?.signal === signal && atMs - last.atMs < ECHO_MS) return;
    last = { signal, atMs };
    requests += 1;
    if (requests === 1) handlers.stop(signal);
    else if (requests === 2) handlers.force(signal);
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listener);
  };
}
