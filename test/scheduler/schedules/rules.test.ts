import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import type { Reply } from '../../../src/scheduler/outcome.ts';
import type { Scheduler } from '../../../src/scheduler/scheduler.ts';
import { blob, bytesOf, Driver } from '../driver.ts';
import { advanceOf, calendar } from './keeper.ts';
import { put } from './schedule-story.ts';

const OF = { namespace: 'default', schedule: 'report' };

function begin(limits: Partial<SchedulerLimits> = {}): Driver {
  const driver = new Driver(limits);
  driver.nowMs = 1_000_020_000;
  return driver.begin();
}

/** The leader computes what is wanted, in entries of a hundred advances. */
function keep(driver: Driver, max = 100): void {
  for (;;) {
    const wanting = driver.scheduler.wantingSchedules(max);
    if (wanting.length === 0) return;
    driver.apply(...wanting.map((one) => advanceOf(one, driver.nowMs)));
  }
}

function advance(driver: Driver, overrides: Partial<Extract<Command, { type: 'advanceSchedule' }>>): Reply | undefined {
  const view = driver.scheduler.schedule('default', 'report');
  if (view === undefined) throw new Error('there is no schedule');
  const { number, version, computedThroughMs: fromMs } = view;
  const occurrences = [1, 2].map((count) => ({ plannedMs: fromMs + count * 1_000, fireAtMs: fromMs + count * 1_000 }));
  const usual = { type: 'advanceSchedule', number, version, fromMs, occurrences } as const;
  return driver.apply({ ...usual, throughMs: fromMs + 2_000, exhausted: false, ...overrides }).replies[0];
}

function refused(code: string): object {
  return { type: 'refused', code, position: -1 };
}

describe('instants from the leader', () => {
  test('are taken once, from where the last ones ended, and only for the version that they were computed of', () => {
    const driver = begin();
    driver.apply(put('report'));
    const fromMs = driver.nowMs;
    expect(advance(driver, {})).toEqual({ type: 'ok' });
    expect(advance(driver, { fromMs })).toEqual(refused('STALE'));
    expect(advance(driver, { fromMs: fromMs + 2_001 })).toEqual(refused('STALE'));
    expect(advance(driver, { version: 2 })).toEqual(refused('STALE'));
    expect(advance(driver, { number: 2 })).toEqual(refused('STALE'));
    expect(advance(driver, { exhausted: true })).toEqual({ type: 'ok' });
    expect(advance(driver, {})).toEqual(refused('STALE'));
    expect(driver.scheduler.schedule('default', 'report')?.next).toHaveLength(4);
  });

  test('that are out of order, early, or not within what they say are refused', () => {
    const driver = begin();
    driver.apply(put('report'));
    const ms = driver.nowMs;
    const one = (plannedMs: number, fireAtMs = plannedMs): { plannedMs: number; fireAtMs: number } => ({
      plannedMs,
      fireAtMs,
    });
    for (const occurrences of [
      [one(ms)],
      [one(ms + 2), one(ms + 2)],
      [one(ms + 2), one(ms + 1)],
      [one(ms + 2_001)],
      [one(ms + 2, ms + 1)],
      [one(ms + 1, ms + 900), one(ms + 2, ms + 899)],
      Array.from({ length: 65 }, (_, at) => one(ms + 1 + at)),
    ]) {
      expect(advance(driver, { occurrences })).toEqual(refused('INVALID_ARGUMENT'));
    }
    expect(advance(driver, { occurrences: [], throughMs: ms - 1 })).toEqual(refused('INVALID_ARGUMENT'));
    expect(driver.scheduler.schedule('default', 'report')).toMatchObject({ next: [], computedThroughMs: ms });
  });

  test('are taken as far as there is room, and the rest is wanted again', () => {
    const driver = begin({ scheduleInstantsMax: 4 });
    driver.apply(put('report'));
    const fromMs = driver.nowMs;
    advance(driver, {});
    const more = [3_000, 4_000, 5_000].map((ms) => ({ plannedMs: fromMs + ms, fireAtMs: fromMs + ms }));
    expect(advance(driver, { occurrences: more, throughMs: fromMs + 9_000, exhausted: true })).toEqual({ type: 'ok' });
    const view = driver.scheduler.schedule('default', 'report');
    expect(view).toMatchObject({ computedThroughMs: fromMs + 4_000, ended: false });
    expect(view?.next).toHaveLength(4);
    driver.pass(3_000);
    expect(driver.scheduler.wantingSchedules(9)).toMatchObject([{ fromMs: fromMs + 4_000, room: 3 }]);
  });

  test('are wanted by those that have the fewest, until a minute is covered', () => {
    const driver = begin();
    driver.apply(put('second', { every: 'every 1000' }), put('minute'), put('year', { every: 'every 31536000000' }));
    expect(driver.scheduler.wantingSchedules(2)).toHaveLength(2);
    keep(driver);
    expect(driver.scheduler.wantingSchedules(9)).toEqual([]);
    const next = (id: string): number | undefined => driver.scheduler.schedule('default', id)?.next.length;
    expect([next('second'), next('minute'), next('year')]).toEqual([60, 2, 2]);
    driver.pass(60_000);
    expect(driver.scheduler.wantingSchedules(9).map((one) => one.schedule)).toEqual(['second', 'minute']);
    expect(driver.scheduler.wantingSchedules(1).map((one) => one.schedule)).toEqual(['second']);
  });
});

describe('what is refused', () => {
  test('a definition that is beyond a bound changes nothing', () => {
    const driver = begin({ payloadBytesMax: 10 });
    const before = driver.checkpoint().digest;
    const good = put('report', { payload: 'x' });
    const bad: Command[] = [
      { ...good, schedule: 'no name' },
      { ...good, namespace: '' },
      { ...good, calendar: new Uint8Array(0) },
      { ...good, calendar: new Uint8Array(16_385) },
      { ...good, task: { ...good.task, payload: blob('12345678901') } },
      { ...good, task: { ...good.task, headers: { encoding: 3, bytes: new Uint8Array(8_193) } } },
      { ...good, task: { ...good.task, template: { ...good.task.template, priority: 11 } } },
      { ...good, policy: { ...good.policy, catchUpWindowMs: Number.MAX_SAFE_INTEGER } },
      { type: 'pauseSchedule', ...OF, note: { encoding: 3, bytes: new Uint8Array(4_097) } },
      { type: 'resumeSchedule', ...OF, note: { encoding: 3, bytes: new Uint8Array(4_097) } },
      { type: 'triggerSchedule', ...OF, request: 'no name' },
      { type: 'backfillSchedule', ...OF, version: 1, request: 'b', plannedMs: [] },
      { type: 'backfillSchedule', ...OF, version: 1, request: 'b', plannedMs: [2, 2] },
      {
        type: 'backfillSchedule',
        ...OF,
        version: 1,
        request: 'b',
        plannedMs: Array.from({ length: 1_001 }, (_, at) => at),
      },
    ];
    for (const command of bad) expect(driver.apply(command).replies).toEqual([refused('INVALID_ARGUMENT')]);
    expect(driver.checkpoint().digest).toEqual(before);
  });

  test('more schedules of a namespace, more bytes of all, or more names than there may be', () => {
    const driver = begin({ schedulesMax: 2, scheduleBytesMax: 1_000 });
    expect(driver.apply(put('a'), put('b'), put('c')).replies[2]).toEqual(refused('SCHEDULE_LIMIT'));
    expect(driver.apply({ ...put('c'), namespace: 'other' }).replies[0]).toMatchObject({ created: true });
    const large = { ...put('a'), calendar: bytesOf(`at 5${' '.repeat(990)}`) };
    expect(driver.apply(large).replies[0]).toEqual(refused('SCHEDULE_LIMIT'));
    driver.apply({ type: 'deleteSchedule', namespace: 'default', schedule: 'b', expectedVersion: -1 });
    expect(driver.apply(put('c')).replies[0]).toMatchObject({ created: true });
    const tight = begin({ queuesMax: 1 });
    expect(tight.apply(put('a'), put('b', { template: { queue: 'other' } })).replies[1]).toEqual(
      refused('QUEUE_LIMIT'),
    );
  });

  test('of a repeated request only the last are known', () => {
    const driver = begin({ scheduleRequestsMax: 2 });
    driver.apply(put('report', { policy: { overlap: 'allow' } }));
    const request = (name: string): unknown =>
      driver.apply({ type: 'triggerSchedule', ...OF, request: name }).replies[0];
    for (const name of ['r1', 'r2', 'r3']) request(name);
    expect(request('r2')).toMatchObject({ repeated: true, outcome: { task: 2 } });
    expect(request('r1')).toMatchObject({ repeated: false, outcome: { task: 4 } });
  });

  test('the put that made the present version may be sent again, whatever it expected', () => {
    const driver = begin();
    const first = put('report', { expectedVersion: 0 });
    const second = put('report', { expectedVersion: 1, payload: 'new' });
    driver.apply(first);
    expect(driver.apply(first).replies[0]).toMatchObject({ version: 1, unchanged: true });
    driver.apply(second);
    expect(driver.apply(second).replies[0]).toMatchObject({ version: 2, unchanged: true });
    expect(driver.apply(first).replies[0]).toEqual(refused('VERSION_CONFLICT'));
  });
});

describe('many at once', () => {
  test('ten thousand schedules that are due at one instant are settled over several entries, each once', () => {
    const driver = begin();
    driver.checks = false;
    const count = 10_000;
    for (let at = 0; at < count; at += 100) {
      const names = Array.from({ length: 100 }, (_, of) => `s${at + of}`);
      driver.apply(
        ...names.map((name) =>
          put(name, { policy: { overlap: 'allow' }, template: { retry: { maxAttempts: 1, initialMs: 1, maxMs: 1 } } }),
        ),
      );
    }
    expect(driver.apply(put('one-more')).replies[0]).toEqual(refused('SCHEDULE_LIMIT'));
    keep(driver);
    driver.scheduler.checkInvariants();
    const first = driver.index;
    const { occurrences } = driver.pass(60_000);
    const settled = driver.outcomes.slice(first).map((outcome) => outcome.occurrences.length);
    // Two moves each, and half of an entry's 2,000 moves at most.
    expect(Math.max(...settled)).toBe(500);
    expect(settled.length).toBeLessThanOrEqual(21);
    expect(new Set(occurrences.map((one) => one.schedule)).size).toBe(count);
    expect(occurrences).toHaveLength(count);
    expect(driver.scheduler.counters().liveTasks).toBe(count);
    driver.scheduler.checkInvariants();
    const mark = driver.checkpoint();
    expect(driver.restore(mark).lastMark).toEqual(mark);
  });

  test('tasks that a newer one takes the place of are told to stop over several entries', () => {
    const driver = begin({ movesMax: 10 });
    driver.apply(put('report', { policy: { overlap: 'allow' } }));
    for (let at = 0; at < 35; at += 1) driver.apply({ type: 'triggerSchedule', ...OF, request: `r${at}` });
    driver.apply(put('report', { policy: { overlap: 'cancelOther' } }));
    driver.apply({ type: 'triggerSchedule', ...OF, request: 'last' }, { type: 'checkpointMark' });
    expect(driver.scheduler.schedule('default', 'report')).toMatchObject({
      unfinished: 25,
      buffered: [{ kind: 'trigger' }],
    });
    const mark = driver.drain();
    const restored = driver.restore(mark);
    // Started while the others are still being told: it is none of them.
    driver.apply({ type: 'triggerSchedule', ...OF, request: 'beside', overlap: 'allow' });
    driver.pass(0);
    for (const { index, bytes } of driver.log.slice(mark.index)) restored.apply(index, bytes);
    for (const scheduler of [driver.scheduler, restored]) {
      expect(scheduler.schedule('default', 'report')).toMatchObject({ unfinished: 1, tasks: [36], buffered: [{}] });
    }
  });
});

describe('large payloads', () => {
  test('fire in more entries, and are backfilled in smaller numbers', () => {
    const driver = begin({ movesMax: 40 });
    const large = { policy: { overlap: 'allow' }, payload: 'x'.repeat(150_000) } as const;
    for (let at = 0; at < 5; at += 1) driver.apply(put(`s${at}`, large));
    keep(driver);
    driver.nowMs += 60_000;
    // Eleven moves each, and half of an entry's forty.
    const settled = [1, 2, 3].map(() => driver.apply({ type: 'tick' }).occurrences.length);
    expect(settled).toEqual([2, 2, 1]);
    const plannedMs = Array.from({ length: 112 }, (_, at) => at);
    const backfill = {
      type: 'backfillSchedule',
      namespace: 'default',
      schedule: 's1',
      version: 1,
      request: 'b',
    } as const;
    expect(driver.apply({ ...backfill, plannedMs }).replies[0]).toEqual(refused('INVALID_ARGUMENT'));
    expect(driver.apply({ ...backfill, plannedMs: plannedMs.slice(5) }).replies[0]).toMatchObject({ accepted: 107 });
  });
});

describe('a schedule that is deleted', () => {
  test('leaves no backfill to the one that is made anew under its id', () => {
    const driver = begin();
    const made = driver.apply(put('report', { policy: { overlap: 'allow' } })).replies[0];
    const { number } = made as Extract<typeof made, { type: 'schedulePut' }>;
    driver.apply({ type: 'deleteSchedule', ...OF, expectedVersion: 1 });
    driver.apply(put('report', { policy: { overlap: 'allow' } }));
    const backfill = { type: 'backfillSchedule', ...OF, version: 1, request: 'b', plannedMs: [1] } as const;
    expect(driver.apply({ ...backfill, number }).replies[0]).toEqual(refused('VERSION_CONFLICT'));
    expect(driver.apply({ ...backfill, number: number + 1 }).replies[0]).toMatchObject({ accepted: 1 });
  });

  test('tells no more tasks to stop', () => {
    const driver = begin({ movesMax: 10 });
    driver.apply(put('report', { policy: { overlap: 'allow' } }));
    for (let at = 0; at < 35; at += 1) driver.apply({ type: 'triggerSchedule', ...OF, request: `r${at}` });
    driver.apply({ type: 'triggerSchedule', ...OF, request: 'last', overlap: 'cancelOther' });
    driver.apply({ type: 'deleteSchedule', ...OF, expectedVersion: 1 });
    driver.pass(0);
    expect(driver.scheduler.counters()).toMatchObject({ liveTasks: 25, cancelled: 10 });
  });
});

describe('catching up', () => {
  test('counts those in a row anew after one that was on time, and for a new version', () => {
    const driver = begin({ catchUpMax: 2 });
    const policy = { overlap: 'allow', catchUp: 'all' } as const;
    driver.apply(put('report', { policy }));
    keep(driver);
    const fired = (): number => driver.scheduler.schedule('default', 'report')?.counters.fired.planned ?? 0;
    const outage = (minutes: number): void => {
      driver.pass(minutes * 60_000);
      for (let at = 0; at < 9; at += 1) {
        keep(driver);
        driver.pass(10);
      }
    };
    // Of four that are due the last is less than a minute late.
    outage(4.5);
    expect(fired()).toBe(3);
    outage(5);
    expect(fired()).toBe(6);
    driver.nowMs += 300_000;
    driver.apply({ type: 'tick' });
    driver.pass(10);
    expect(fired()).toBe(8);
    driver.apply(put('report', { policy, payload: 'new' }));
    outage(4);
    expect(fired()).toBe(11);
  });
});

describe('a worker that is lost while it runs more than an entry can take from it', () => {
  test('keeps all overlap slots until its lease is over, on a restored peer too', () => {
    const driver = begin({ movesMax: 4 });
    driver.attach('w1', { slots: 9 });
    for (let at = 0; at < 6; at += 1) {
      driver.apply(put(`s${at}`));
      driver.apply({ type: 'triggerSchedule', namespace: 'default', schedule: `s${at}`, request: 'r' });
    }
    driver.nowMs += 20_000;
    const lost = { type: 'workerLost', worker: 'w1', instance: 'w1-1', capsFreeAtMs: driver.nowMs + 60_000 } as const;
    driver.apply(lost, { type: 'checkpointMark' });
    const mark = driver.drain();
    const restored = driver.restore(mark);
    driver.pass(0);
    driver.attach('w2', { slots: 9 });
    const states = (scheduler: Scheduler): unknown[] =>
      [1, 2, 3, 4, 5, 6].map((number) => {
        const task = scheduler.task(number);
        return task !== undefined && 'state' in task ? task.state : 'gone';
      });
    expect(states(driver.scheduler)).toEqual(Array.from({ length: 6 }, () => 'retrying'));
    for (const { index, bytes } of driver.log.slice(mark.index)) restored.apply(index, bytes);
    expect(states(restored)).toEqual(states(driver.scheduler));
    // Whatever the leader says, no handler outlives its lease.
    driver.pass(15_000);
    expect(states(driver.scheduler)).toEqual(Array.from({ length: 6 }, () => 'running'));
  });
});

describe('what a task tells', () => {
  test('names its occurrence while it lives, when it is final, and when its schedule is gone', () => {
    const driver = begin();
    driver.attach('w1', { slots: 9 });
    driver.apply(put('report'));
    keep(driver);
    driver.pass(60_000);
    const occurrence = { schedule: 'report', version: 1, plannedMs: 1_000_080_000, kind: 'planned' };
    expect(driver.task(1).occurrence).toEqual(occurrence);
    driver.apply({ type: 'deleteSchedule', ...OF, expectedVersion: 1 });
    const restored = driver.restore(driver.checkpoint());
    expect(restored.task(1)).toMatchObject({ occurrence });
    driver.done(1);
    expect(driver.task(1)).toMatchObject({ state: 'done', occurrence });
    expect(driver.task(driver.submit()).occurrence).toBeUndefined();
  });

  test('pages of schedules go by id, within a namespace', () => {
    const driver = begin();
    driver.apply(...['b', 'd', 'a', 'c'].map((id) => put(id)), { ...put('z'), namespace: 'other' });
    const page = (after: string): string[] => driver.scheduler.schedules('default', after, 2).map((one) => one.id);
    expect([page(''), page('b'), page('bb'), page('d')]).toEqual([['a', 'b'], ['c', 'd'], ['c', 'd'], []]);
    expect(driver.scheduler.schedules('nowhere', '', 9)).toEqual([]);
    const view = driver.scheduler.schedule('default', 'a');
    expect(view?.calendar).toEqual(calendar('every 60000'));
    expect(view).toMatchObject({ by: 'anonymous', version: 1, task: { payload: blob('report') } });
  });
});
