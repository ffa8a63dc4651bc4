/** Bugs of schedulers: occurrences that are lost, doubled, early, or gone without a word. */
import type { Mutant } from '../mutant.ts';

/** The bugs of schedules. */
export const SCHEDULES: readonly Mutant[] = [
  {
    name: 'next-instant-is-computed-from-now',
    origin:
      'sidekiq/sidekiq#6758, distribworks/dkron#1210, yugabyte/yugabyte-db#24365: occurrences lost at a change of leader',
    wrong: 'A leader computes the next instants from the present time on, and not from those that are known.',
    file: 'src/server/schedule-keeper.ts',
    find: `instantsAfter(calendar, wanting, this.#peer.logTimeNowMs(), isOver)`,
    replace: `instantsAfter(calendar, { ...wanting, fromMs: Math.max(fromMs, this.#peer.logTimeNowMs()) }, this.#peer.logTimeNowMs(), isOver)`,
  },
  {
    name: 'change-loses-what-is-due',
    origin: 'timgit/pg-boss#557, riverqueue/river#791: a run that is missed around a deployment',
    wrong: 'A new version begins at the present time, whatever of the version before was not taken up.',
    file: 'src/scheduler/schedules/define.ts',
    find: `const fromMs = settledThrough(schedule, state.nowMs);`,
    replace: `const fromMs = Math.max(state.nowMs, settledThrough(schedule, state.nowMs));`,
  },
  {
    name: 'change-fires-again-what-has-fired',
    origin: 'taskforcesh/bullmq#2889, hibiken/asynq#653: a run that comes twice',
    wrong: 'A new version begins when the version before was made.',
    file: 'src/scheduler/schedules/define.ts',
    find: `const fromMs = settledThrough(schedule, state.nowMs);`,
    replace: `const fromMs = Math.max(schedule.definition.updatedAtMs, settledThrough(schedule, state.nowMs) - 30_000);`,
  },
  {
    name: 'one-may-run-beside-another',
    origin: 'hashicorp/nomad#11052, hashicorp/nomad#4731, quartznet/quartznet#1758: what must not overlap does',
    wrong: 'The task that runs is not counted when it is asked whether another one may start.',
    file: 'src/scheduler/schedules/overlap.ts',
    find: `schedule.unfinished > 0 ||`,
    replace: `schedule.unfinished > 1 ||`,
  },
  {
    name: 'skipped-without-a-word',
    origin: 'temporalio/temporal#8087: skipped runs cannot be seen',
    wrong: 'What is skipped because a task runs leaves nothing behind.',
    file: 'src/scheduler/schedules/overlap.ts',
    find: `  skip(state, schedule, occurrence, reason);
  return { result: 'skipped', reason: SKIPS[reason] ?? 'overlap' };`,
    replace: `  if (reason !== SKIP.overlap) skip(state, schedule, occurrence, reason);
  return { result: 'skipped', reason: SKIPS[reason] ?? 'overlap' };`,
  },
  {
    name: 'what-is-late-counts-as-missed',
    origin: 'temporalio/temporal#4332: a short time of grace loses runs',
    wrong: 'An occurrence that is a second late is treated as one that was missed.',
    file: 'src/scheduler/schedules/catch-up.ts',
    find: `if (lateMs <= limits.missedAfterMs) return 'fire';`,
    replace: `if (lateMs <= Math.min(1_000, limits.missedAfterMs)) return 'fire';`,
  },
  {
    name: 'everything-that-was-missed-fires',
    origin: 'riverqueue/river#1035: two weeks of runs at once after an outage',
    wrong: 'Missed occurrences are caught up without a bound.',
    file: 'src/scheduler/schedules/catch-up.ts',
    find: `return schedule.caughtUp < limits.catchUpMax ? 'catch-up' : SKIP.catchUpLimit;`,
    replace: `return schedule.caughtUp < limits.catchUpMax + schedule.caughtUp ? 'catch-up' : SKIP.catchUpLimit;`,
  },
  {
    name: 'paused-ones-fire-after-the-pause',
    origin: 'riverqueue/river#1035, FoundatioFx/Foundatio#317: what was held up comes all at once',
    wrong: 'While a schedule is paused its instants stay, and fire when it goes on.',
    file: 'src/scheduler/schedules/catch-up.ts',
    find: `if (schedule.pause !== undefined || passedInPause) return SKIP.paused;`,
    replace: `if (schedule.pause !== undefined && !passedInPause) return 'wait';`,
  },
  {
    name: 'pause-forgotten-in-a-checkpoint',
    origin: 'distribworks/dkron#1337: servers that differ after a restore',
    wrong: 'A checkpoint does not say that a schedule is paused.',
    file: 'src/scheduler/schedules/progress-records.ts',
    find: `  schedule.pause = (bits & BITS.paused) === 0 ? undefined : decodeNote(reader);`,
    replace: `  if ((bits & BITS.paused) !== 0) decodeNote(reader);`,
  },
  {
    name: 'waiting-ones-lost-in-a-checkpoint',
    origin: 'distribworks/dkron#1371: servers that know different things after a restart',
    wrong: 'Occurrences that wait for a task are not in checkpoints.',
    file: 'src/scheduler/schedules/progress-records.ts',
    find: `  writer.varint(schedule.buffer.length);
  for (const waiting of schedule.buffer) {`,
    replace: `  writer.varint(0);
  for (const waiting of schedule.buffer.slice(0, 0)) {`,
  },
  {
    name: 'trigger-repeated-by-a-client-fires-twice',
    origin: 'hibiken/asynq#1013, taskforcesh/bullmq#2988: one entry, two runs',
    wrong: 'A trigger that a client sends again fires again.',
    file: 'src/scheduler/schedules/requests.ts',
    find: `  if (before !== undefined) return { type: 'scheduleTriggered', outcome: resultOf(before), repeated: true };`,
    replace: `  if (before?.count === -1) return { type: 'scheduleTriggered', outcome: resultOf(before), repeated: true };`,
  },
  {
    name: 'clock-set-back-fires-twice',
    origin: 'hashicorp/nomad#5410, OptimalBits/bull#2207: changes of clock',
    wrong: 'A time of day that comes twice fires twice.',
    file: 'src/calendar/cron-walk.ts',
    find: `if (this.#dst?.overlap === 'first' && beforeMs > offsetMs)`,
    replace: `if (this.#dst?.overlap === 'first' && beforeMs > offsetMs + 3_600_000)`,
  },
  {
    name: 'deleted-with-what-waited',
    origin: 'temporalio/temporal#6820: runs of which nobody can say what became of them',
    wrong: 'What waits when a schedule is deleted vanishes without a word.',
    file: 'src/scheduler/schedules/define.ts',
    find: `emptyBuffer(state, schedule, SKIP.deleted);`,
    replace: `schedule.buffer = []; if (schedule.deleted) emptyBuffer(state, schedule, SKIP.deleted);`,
  },
  {
    name: 'lost-task-that-must-run-alone-placed-at-once',
    origin: 'OptimalBits/bull#311, OptimalBits/bull#1685: what runs is run again when its lock is lost',
    wrong:
      'A task that must run alone is placed anew when its worker is given up, which may run it until its lease ends.',
    file: 'src/scheduler/emptying.ts',
    find: `holdsOverlapSlot(state, row) ? worker.capsFreeAtMs : 0;`,
    replace: `holdsOverlapSlot(state, row) ? Math.min(worker.capsFreeAtMs, state.nowMs) : 0;`,
  },
  {
    name: 'lingering-attempt-frees-the-slot',
    origin: 'hashicorp/nomad#11052 and #4731, distribworks/dkron#1569: forbidden overlap that happens all the same',
    wrong: 'The next task of a schedule starts beside a handler that was told to stop and has not returned.',
    file: 'src/scheduler/task-moves.ts',
    find: `keepSlot(state, row, state.nowMs + state.limits.leaseMs);`,
    replace: `keepSlot(state, row, state.nowMs);`,
  },
  {
    name: 'retry-beside-a-lingering-attempt',
    origin: 'taskforcesh/bullmq#631, quartznet/quartznet#1758: a run that is repeated beside itself',
    wrong: 'A task that must run alone is tried again beside its own attempt that ran out of time and goes on.',
    file: 'src/scheduler/schedules/overlap-slots.ts',
    find: `return holdsOverlapSlot(state, row) ? state.limits.leaseMs : 0;`,
    replace: `return holdsOverlapSlot(state, row) ? 1 : 0;`,
  },
  {
    name: 'log-time-jumps-with-the-clocks',
    origin: 'jhuckaby/Cronicle#600, kagkarlsson/db-scheduler#364: clocks that are off or set',
    wrong: 'The time by which everything is due follows wall clocks at once, however far these jump.',
    file: 'src/peer/log-time.ts',
    find: `const slewMax = passedMs * SLEW_MAX;`,
    replace: `const slewMax = passedMs * SLEW_MAX * 10_000;`,
  },
  {
    name: 'advance-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'Instants that come in while the checkpoint of their schedule is written are there already.',
    file: 'src/scheduler/schedules/advance.ts',
    find: `  schedules.touch(schedule);
  const { occurrences } = command;
  const taken = occurrences.slice(0, limits.scheduleInstantsMax - schedule.plannedMs.length);
  for (const { plannedMs, fireAtMs } of taken) {
    schedule.plannedMs.push(plannedMs);
    schedule.fireAtMs.push(fireAtMs);
  }
  if (taken.length === occurrences.length) {
    schedule.computedThroughMs = command.throughMs;
    schedule.exhausted = command.exhausted;
  } else {
    schedule.computedThroughMs = taken.at(-1)?.plannedMs ?? schedule.computedThroughMs;
  }
  schedule.awaitsAdvance = false;
  endIfOver`,
    replace: `  const { occurrences } = command;
  const taken = occurrences.slice(0, limits.scheduleInstantsMax - schedule.plannedMs.length);
  for (const { plannedMs, fireAtMs } of taken) {
    schedule.plannedMs.push(plannedMs);
    schedule.fireAtMs.push(fireAtMs);
  }
  if (taken.length === occurrences.length) {
    schedule.computedThroughMs = command.throughMs;
    schedule.exhausted = command.exhausted;
  } else {
    schedule.computedThroughMs = taken.at(-1)?.plannedMs ?? schedule.computedThroughMs;
  }
  schedules.touch(schedule);
  schedule.awaitsAdvance = false;
  endIfOver`,
  },
  {
    name: 'end-of-a-scheduled-task-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong:
      'A task that ends while the checkpoint of its schedule is written counts there as ended, and as failed if it did.',
    file: 'src/scheduler/schedules/task-ends.ts',
    find: `  schedules.touch(schedule);
  schedules.made.remove(schedule, number);
  if (schedule.deleted) {
    if (schedule.unfinished === 0) schedules.remove(schedule);
    return;
  }
  const recent = schedule.recent.findLast((one) => one.task === number);
  if (recent !== undefined) recent.ended = to;
  countFailure(state, schedule, to);
  schedules.refresh`,
    replace: `  schedules.made.remove(schedule, number);
  if (schedule.deleted) {
    if (schedule.unfinished === 0) schedules.remove(schedule);
    return;
  }
  const recent = schedule.recent.findLast((one) => one.task === number);
  if (recent !== undefined) recent.ended = to;
  countFailure(state, schedule, to);
  schedules.touch(schedule);
  schedules.refresh`,
  },
];
