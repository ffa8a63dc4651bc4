/** Ends, pauses and moments without room: no run and no instant is lost to them, and none comes too often. */
import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import type { Reply, SettledOccurrence } from '../../../src/scheduler/outcome.ts';
import type { ScheduleView } from '../../../src/scheduler/views.ts';
import { blob, Driver } from '../driver.ts';
import { advanceOf } from './keeper.ts';
import { put } from './schedule-story.ts';

const OF = { namespace: 'default', schedule: 'report' };
const MINUTE_MS = 60_000;

function begin(limits: Partial<SchedulerLimits> = {}): Driver {
  const driver = new Driver(limits);
  driver.nowMs = 1_000_020_000;
  driver.begin();
  driver.attach('w1', { slots: 9 });
  return driver;
}

/** The leader computes what is wanted, until nothing is left to do at this instant. */
function settle(driver: Driver): void {
  do {
    const wanting = driver.scheduler.wantingSchedules(100).map((one) => advanceOf(one, driver.nowMs));
    driver.apply(...(wanting.length > 0 ? wanting : [{ type: 'tick' } as const]));
  } while (driver.scheduler.openCursors || driver.scheduler.wantingSchedules(1).length > 0);
}

function pass(driver: Driver, ms: number): void {
  driver.nowMs += ms;
  settle(driver);
}

function say(driver: Driver, command: Command): Reply | undefined {
  const { replies } = driver.apply(command);
  settle(driver);
  return replies[0];
}

function view(driver: Driver): ScheduleView {
  const found = driver.scheduler.schedule('default', 'report');
  if (found === undefined) throw new Error('there is no schedule');
  return found;
}

function pause(driver: Driver): void {
  say(driver, { type: 'pauseSchedule', ...OF, note: blob('') });
}

function resume(driver: Driver): void {
  say(driver, { type: 'resumeSchedule', ...OF, note: blob('') });
}

/** What became of everything planned in this time, without repeats. */
function became(driver: Driver, fromMs: number, toMs: number): string[] {
  const settled: SettledOccurrence[] = driver.outcomes.flatMap(({ occurrences }) => [...occurrences]);
  const within = settled.filter(({ plannedMs }) => plannedMs > fromMs && plannedMs <= toMs);
  return [...new Set(within.map(({ skipped }) => skipped ?? 'task'))];
}

describe('what passed during a pause', () => {
  test.each(['all', 'latest'] as const)(
    'is skipped as that even when nobody led then and it is learnt of after the pause (%s)',
    (catchUp) => {
      const driver = begin();
      say(driver, put('report', { every: 'every 1000', policy: { overlap: 'allow', catchUp } }));
      pass(driver, 500);
      const pausedMs = driver.nowMs;
      pause(driver);
      driver.nowMs += 5_000;
      // Another note does not make the pause any shorter.
      driver.apply({ type: 'pauseSchedule', ...OF, note: blob('still') });
      driver.nowMs += 10 * MINUTE_MS;
      driver.apply({ type: 'resumeSchedule', ...OF, note: blob('') });
      const resumedMs = driver.nowMs;
      const restored = driver.restore(driver.checkpoint());
      expect(restored.schedule('default', 'report')).toEqual(view(driver));
      settle(driver);
      pass(driver, 2_000);
      expect(became(driver, pausedMs, resumedMs)).toEqual(['paused']);
      expect(became(driver, resumedMs, driver.nowMs)).toEqual(['task']);
      expect(view(driver).settledThroughMs).toBeGreaterThan(resumedMs);
    },
  );

  test('of two pauses each skips what passed in it, and nothing between them', () => {
    const driver = begin();
    say(driver, put('report', { policy: { overlap: 'allow' } }));
    const beginMs = driver.nowMs;
    pause(driver);
    pass(driver, 2 * MINUTE_MS);
    resume(driver);
    pass(driver, MINUTE_MS);
    pause(driver);
    pass(driver, MINUTE_MS);
    resume(driver);
    expect(became(driver, beginMs, beginMs + 2 * MINUTE_MS)).toEqual(['paused']);
    expect(became(driver, beginMs + 2 * MINUTE_MS, beginMs + 3 * MINUTE_MS)).toEqual(['task']);
    expect(became(driver, beginMs + 3 * MINUTE_MS, driver.nowMs)).toEqual(['paused']);
  });
});

describe('a buffer', () => {
  test('outlasts a moment without room, and nobody has to propose entries for it', () => {
    const driver = begin({ liveTasksMax: 2 });
    say(driver, put('report', { policy: { overlap: 'bufferAll' }, every: 'every 31536000000' }));
    say(driver, { type: 'triggerSchedule', ...OF, request: 'a' });
    const plannedMs = Array.from({ length: 5 }, (_, at) => driver.nowMs - 1_000 + at);
    say(driver, { type: 'backfillSchedule', ...OF, version: 1, request: 'b', plannedMs });
    const other = driver.submit({ type: 'mail' });
    expect(view(driver)).toMatchObject({ tasks: [1] });
    // Another submission takes the room in the entry in which the task ends.
    const completion = {
      number: 1,
      fencingToken: driver.token(1),
      outcome: { type: 'done', result: blob('') },
    } as const;
    driver.apply({ type: 'complete', worker: 'w1', completions: [completion] });
    expect(view(driver).buffered).toHaveLength(4);
    const first = view(driver).tasks[0] as number;
    const next = { number: first, fencingToken: driver.token(first), outcome: completion.outcome };
    driver.apply({ type: 'complete', worker: 'w1', completions: [next] }, driver.submitCommand([{}]));
    expect(view(driver)).toMatchObject({ unfinished: 0 });
    expect(view(driver).buffered).toHaveLength(4);
    expect(driver.scheduler.openCursors).toBe(false);
    expect(driver.scheduler.nextDueMs() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(driver.nowMs);
    driver.done(other, '');
    settle(driver);
    expect(view(driver)).toMatchObject({ unfinished: 1, counters: { skipped: { taskLimit: 0 } } });
    for (let left = 4; left > 0; left -= 1) {
      expect(view(driver).buffered).toHaveLength(left - 1);
      driver.done(view(driver).tasks[0] as number, '');
      settle(driver);
    }
    expect(view(driver)).toMatchObject({ unfinished: 0, counters: { fired: { backfill: 5 } } });
  });
});

describe('the number of runs', () => {
  test('is made up to when the last of them waited and another occurrence took its place', () => {
    const driver = begin();
    say(driver, put('report', { policy: { overlap: 'bufferAll', maxRuns: 2 } }));
    pass(driver, MINUTE_MS);
    pass(driver, MINUTE_MS);
    expect(view(driver)).toMatchObject({ runs: 2, ended: true, next: [] });
    say(driver, { type: 'triggerSchedule', ...OF, request: 'a', overlap: 'cancelOther' });
    expect(view(driver)).toMatchObject({ runs: 1, ended: false });
    expect(view(driver).next.length).toBeGreaterThan(0);
    for (const number of view(driver).tasks) driver.done(number, '');
    settle(driver);
    pass(driver, MINUTE_MS);
    expect(view(driver)).toMatchObject({ runs: 2, ended: true });
    expect(view(driver).counters.skipped.superseded).toBe(1);
  });

  test('once used up is not put again: the answer says that it would end at once', () => {
    const driver = begin();
    const policy = { overlap: 'allow', maxRuns: 1 } as const;
    say(driver, put('report', { policy }));
    pass(driver, MINUTE_MS);
    expect(view(driver)).toMatchObject({ ended: true, version: 1 });
    expect(say(driver, put('report', { policy }))).toMatchObject({ unchanged: true });
    expect(say(driver, put('report', { policy, every: 'every 30000' }))).toEqual({
      type: 'refused',
      code: 'SCHEDULE_ENDED',
      position: -1,
    });
    expect(say(driver, put('report', { policy: { ...policy, maxRuns: 2 } }))).toMatchObject({ version: 2 });
    pass(driver, MINUTE_MS);
    expect(view(driver)).toMatchObject({ ended: true, runs: 2 });
    expect(say(driver, put('report', { policy: { ...policy, maxRuns: 0 } }))).toMatchObject({ version: 3 });
    expect(view(driver).ended).toBe(false);
  });
});
