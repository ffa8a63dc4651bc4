/**
 * The real world behind the ports of `src/base`: clocks, timers, random numbers, WebSockets, signals, secrets and the log.
 *
 * Composition roots (`src/cli`, `src/index.ts`, tests and benches that run for real) take from here what they hand to the rest.
 * Nothing else imports this folder, and this folder knows nothing of tasks, peers or frames; so everything above it runs in the
 * simulator unchanged, where `sim/` stands in its place.
 *
 * - `real-clock.ts` monotonic and wall clock, timers, `soon`
 * - `real-random.ts`, `crypto.ts` random numbers, HMAC, hashes, constant-time comparison
 * - `ws-dialer.ts`, `ws-listener.ts`, `ws-socket.ts` both ends of a WebSocket, for peers and clients alike
 * - `secrets.ts` tokens and secrets from files and the environment
 * - `signals.ts` what asks a process to stop
 * - `pino-logger.ts` log lines
 *
 * Invariant: no function here changes what another one returns; there is no state but sockets and timers in use.
 */

import { crc32 } from 'node:zlib';
import type { Clock, Timers } from '../base/clock.ts';
import type { Crc32 } from '../base/hash.ts';
import type { Random } from '../base/random.ts';
import { REAL_CLOCK, REAL_TIMERS } from './real-clock.ts';
import { RealRandom } from './real-random.ts';

/** What nearly every part needs of the world. */
export interface RealPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly crc32: Crc32;
}

/** The real ones. */
export function realPorts(): RealPorts {
  return { clock: REAL_CLOCK, timers: REAL_TIMERS, random: new RealRandom(), crc32 };
}
