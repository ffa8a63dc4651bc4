/**
 * What becomes of an occurrence that is reached late. One that is reached within `missedAfterMs` is only late and fires; after that
 * it is missed, and the schedule's policy decides.
 */
import type { SchedulerLimits } from '../limits.ts';
import { SKIP } from './codes.ts';
import type { Schedule } from './schedule.ts';

/** `fire`, `catch-up`: it is judged for overlap, on time or after it was missed. `wait`: not yet known. Else the code of a reason. */
export type Verdict = 'fire' | 'catch-up' | 'wait' | number;

/** What to do with the first stored instant of `schedule`, which is due at `nowMs`. */
export function judgeFirst(schedule: Schedule, nowMs: number, limits: SchedulerLimits): Verdict {
  const fireAtMs = schedule.fireAtMs[0] as number;
  // An instant may become known only after the pause in which it passed.
  const passedInPause = fireAtMs > schedule.pausedFromMs && fireAtMs <= schedule.pausedUntilMs;
  if (schedule.pause !== undefined || passedInPause) return SKIP.paused;
  const lateMs = nowMs - fireAtMs;
  if (lateMs <= limits.missedAfterMs) return 'fire';
  const { catchUp, catchUpWindowMs } = schedule.definition.policy;
  if (catchUp === 'none') return SKIP.missed;
  if (lateMs > catchUpWindowMs) return SKIP.outsideWindow;
  if (catchUp === 'all') return schedule.caughtUp < limits.catchUpMax ? 'catch-up' : SKIP.catchUpLimit;
  const nextMs = schedule.fireAtMs[1];
  if (nextMs !== undefined) return nextMs <= nowMs ? SKIP.superseded : 'catch-up';
  // It is the newest that is known. As long as others may have come due since, it cannot be said to be the newest of all.
  return schedule.exhausted || schedule.computedThroughMs >= nowMs ? 'catch-up' : 'wait';
}
