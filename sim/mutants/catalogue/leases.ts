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
  {
    name: 'one-attempt-too-many',
    origin: 'taskforcesh/bullmq#651: attempts beside what the retry policy allows',
    wrong: 'A task that has failed as often as it may is tried once more.',
    file: 'src/scheduler/complete.ts',
    find: `  if (nonRetryable || failures >= template.maxAttempts) {`,
    replace: `  if (nonRetryable || failures > template.maxAttempts) {`,
  },
  {
    name: 'one-timeout-too-many',
    origin: 'taskforcesh/bullmq#651: attempts beside what the retry policy allows',
    wrong: 'A task whose last attempt runs out of time is tried once more.',
    file: 'src/scheduler/complete.ts',
    find: `  if (failures >= template.maxAttempts) {
    finish(state, row, { to: STATE.failed, reason: REASON.runTimeout`,
    replace: `  if (failures > template.maxAttempts) {
    finish(state, row, { to: STATE.failed, reason: REASON.runTimeout`,
  },
  {
    name: 'backoff-does-not-grow',
    origin: 'apache/dolphinscheduler#13283: resubmitted again and again at one pace',
    wrong: 'However often a task has failed, it is tried again after the same short wait.',
    file: 'src/scheduler/retry.ts',
    find: `    waitMs = Math.min(waitMs * 2, backoff.maxMs);`,
    replace: `    waitMs = Math.min(waitMs * 1, backoff.maxMs);`,
  },
  {
    name: 'no-lease-after-a-change-of-leader',
    origin: 'PowerJob/PowerJob#12 and #154: what runs is given up at a change of server, and runs twice',
    wrong: 'A new leader owes workers nothing: what they run is given up before they could come back.',
    file: 'src/scheduler/worker-commands.ts',
    find: `  state.meta.verdictsFromMs = state.nowMs + state.limits.leaseMs;`,
    replace: `  state.meta.verdictsFromMs = state.nowMs;`,
  },
];
