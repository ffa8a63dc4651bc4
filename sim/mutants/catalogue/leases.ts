/** Bugs of who runs what: leases, tokens, deliveries. */
import type { Mutant } from '../mutant.ts';

/** The bugs of leases and tokens. */
export const LEASED: readonly Mutant[] = [
  {
    name: 'any-token-of-the-worker-completes',
    origin: 'taskforcesh/bullmq#107: a worker that reports what it has lost the lock of',
    wrong: 'A report of an earlier attempt counts for the one that runs, if it is the same worker.',
    file: 'src/scheduler/complete.ts',
    find: `  if (segment.state[at] !== STATE.running || segment.token[at] !== token) return 'STALE_LEASE';
  return`,
    replace: `  if (segment.state[at] !== STATE.running || (segment.token[at] as number) < token) return 'STALE_LEASE';
  return`,
  },
];
