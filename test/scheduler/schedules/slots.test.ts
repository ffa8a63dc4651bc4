/** What must run alone does so even when nobody counts an attempt any more: its worker is lost, or its handler has not returned. */
import { describe, expect, test } from 'vitest';
import type { Overlap, SchedulePolicy, TaskTemplate } from '../../../src/scheduler/command.ts';
import type { ScheduleView } from '../../../src/scheduler/views.ts';
import { TASK_DEFAULTS } from '../../../src/scheduler/limits.ts';
import { Driver } from '../driver.ts';
import { advanceOf } from './keeper.ts';
import { put, type PutOverrides } from './schedule-story.ts';

const OF = { namespace: 'default', schedule: 'report' };
const FIRST_MS = 1_000_080_000;
const SECOND_MS = 1_000_140_000;
const LEASE_MS = 15_000;

/** A schedule whose first task runs on `w1` at `FIRST_MS`; nobody else is there. */
function begin(overrides: PutOverrides): Driver {
  const driver = new Driver();
  driver.nowMs = 1_000_020_000;
  driver.begin();
  passTo(driver, driver.nowMs + 20_000);
  driver.attach('w1', { slots: 5 });
  driver.apply(put('report', overrides));
  passTo(driver, FIRST_MS);
  expect(runs(driver)).toEqual(['1@w1']);
  return driver;
}

/** Entries come every 500 ms; the leader does its part. */
function passTo(driver: Driver, untilMs: number): void {
  do {
    driver.nowMs = Math.min(untilMs, driver.nowMs + 500);
    settle(driver);
  } while (driver.nowMs < untilMs);
}

function settle(driver: Driver): void {
  do {
    const wanting = driver.scheduler.wantingSchedules(100).map((one) => advanceOf(one, driver.nowMs));
    driver.apply(...(wanting.length > 0 ? wanting : [{ type: 'tick' } as const]));
  } while (driver.scheduler.openCursors || driver.scheduler.wantingSchedules(1).length > 0);
}

/** The leader gives `worker` up, which may run what it has for another `LEASE_MS`. */
function lose(driver: Driver, worker: string): number {
  const capsFreeAtMs = driver.nowMs + LEASE_MS;
  driver.apply({ type: 'workerAway', worker, instance: `${worker}-1` });
  driver.apply({ type: 'workerLost', worker, instance: `${worker}-1`, capsFreeAtMs });
  settle(driver);
  return capsFreeAtMs;
}

function view(driver: Driver): ScheduleView {
  const found = driver.scheduler.schedule('default', 'report');
  if (found === undefined) throw new Error('there is no schedule');
  return found;
}

/** Its tasks that run, and where. */
function runs(driver: Driver): string[] {
  const found: string[] = [];
  for (const number of view(driver).tasks) {
    const assignment = driver.scheduler.assignment(number);
    if (assignment !== undefined) found.push(`${number}@${assignment.worker}`);
  }
  return found;
}

function trigger(driver: Driver, request: string, overlap?: Overlap): unknown {
  return driver.apply({ type: 'triggerSchedule', ...OF, request, ...(overlap === undefined ? {} : { overlap }) })
    .replies[0];
}

function runsFor(runMs: number, maxAttempts: number): Partial<TaskTemplate> {
  return {
    timeouts: { ...TASK_DEFAULTS.timeouts, runMs },
    retry: { ...TASK_DEFAULTS.retry, initialMs: 1, maxMs: 1, maxAttempts },
  };
}

describe('nothing starts beside what a lost worker may still run', () => {
  test('when its task was being cancelled for the next one', () => {
    const driver = begin({ policy: { overlap: 'cancelOther' } });
    driver.attach('w2', { slots: 5 });
    passTo(driver, SECOND_MS);
    expect(driver.task(1)).toMatchObject({ state: 'running', cancelling: true });
    const freeAtMs = lose(driver, 'w1');
    expect(driver.task(1)).toMatchObject({ state: 'cancelled' });
    expect(driver.scheduler.nextDueMs()).toBeLessThanOrEqual(freeAtMs);
    passTo(driver, freeAtMs - 1);
    expect(runs(driver)).toEqual([]);
    expect(driver.restore(driver.checkpoint()).schedule('default', 'report')).toEqual(view(driver));
    passTo(driver, freeAtMs);
    expect(runs(driver)).toEqual(['2@w2']);
  });

  test('when its task waits for the end of the lease, and the next one cancels it', () => {
    const driver = begin({ policy: { overlap: 'cancelOther' } });
    driver.attach('w2', { slots: 5 });
    passTo(driver, SECOND_MS - 5_000);
    const freeAtMs = lose(driver, 'w1');
    passTo(driver, freeAtMs - 1);
    expect(driver.task(1)).toMatchObject({ state: 'cancelled' });
    expect(runs(driver)).toEqual([]);
    passTo(driver, freeAtMs);
    expect(runs(driver)).toEqual(['2@w2']);
  });

  test('when its task waits for the end of the lease, and a user cancels it', () => {
    const driver = begin({ policy: { overlap: 'skip' } });
    driver.attach('w2', { slots: 5 });
    passTo(driver, SECOND_MS - 5_000);
    const freeAtMs = lose(driver, 'w1');
    driver.apply({ type: 'cancel', namespace: 'default', numbers: [1] });
    passTo(driver, SECOND_MS);
    expect(view(driver).recent[0]).toMatchObject({ plannedMs: SECOND_MS, skipped: 'overlap' });
    passTo(driver, freeAtMs - 1);
    expect(trigger(driver, 'early')).toMatchObject({ outcome: { reason: 'overlap' } });
    passTo(driver, freeAtMs);
    expect(trigger(driver, 'free')).toMatchObject({ outcome: { task: 2 } });
  });

  test('when its task is taken for poison, or has no time left', () => {
    for (const totalMs of [0, SECOND_MS - FIRST_MS + 2_000]) {
      const timeouts = { ...TASK_DEFAULTS.timeouts, totalMs };
      const driver = begin({ policy: { overlap: 'bufferOne' }, template: { timeouts } });
      let freeAtMs = 0;
      for (const [worker, next] of [
        ['w1', 'w2'],
        ['w2', 'w3'],
        ['w3', 'w4'],
      ] as const) {
        if (worker === 'w3' || totalMs > 0) passTo(driver, SECOND_MS + 1_000);
        freeAtMs = lose(driver, worker);
        driver.attach(next, { slots: 5 });
        if (worker === 'w3' || totalMs > 0) break;
        passTo(driver, freeAtMs);
      }
      passTo(driver, freeAtMs - 1);
      expect(driver.task(1)).toMatchObject({ state: 'failed' });
      expect(runs(driver)).toEqual([]);
      passTo(driver, freeAtMs);
      expect(runs(driver)).toHaveLength(1);
    }
  });
});

describe('nothing starts beside a handler that was told to stop and has a lease to return', () => {
  test('after its run timeout, whether its task failed or is tried again', () => {
    for (const maxAttempts of [1, 3]) {
      const policy: Partial<SchedulePolicy> = { overlap: 'bufferOne' };
      const driver = begin({ policy, template: runsFor(SECOND_MS - FIRST_MS + 2_000, maxAttempts) });
      driver.attach('w2', { slots: 5 });
      const freeAtMs = SECOND_MS + 2_000 + LEASE_MS;
      passTo(driver, freeAtMs - 1);
      expect(driver.task(1)).toMatchObject({ state: maxAttempts === 1 ? 'failed' : 'retrying' });
      expect(runs(driver)).toEqual([]);
      passTo(driver, freeAtMs);
      expect(runs(driver).map((one) => one.slice(0, 1))).toEqual([maxAttempts === 1 ? '2' : '1']);
    }
  });

  test('after the deadline of a drain', () => {
    const driver = begin({ policy: { overlap: 'skip' } });
    driver.attach('w2', { slots: 5 });
    const freeAtMs = driver.nowMs + 1_000 + LEASE_MS;
    driver.apply({ type: 'drainWorker', worker: 'w1', deadlineMs: driver.nowMs + 1_000 });
    passTo(driver, freeAtMs - 1);
    expect(driver.task(1)).toMatchObject({ state: 'retrying' });
    passTo(driver, freeAtMs);
    expect(runs(driver)).toEqual(['1@w2']);
  });

  test('but tasks that may run side by side do not wait for it', () => {
    const driver = begin({ policy: { overlap: 'allow' } });
    driver.attach('w2', { slots: 5 });
    driver.apply({ type: 'drainWorker', worker: 'w1', deadlineMs: driver.nowMs + 1_000 });
    passTo(driver, FIRST_MS + 1_000);
    expect(runs(driver)).toEqual(['1@w2']);
    expect(trigger(driver, 'alone', 'skip')).toMatchObject({ outcome: { reason: 'overlap' } });
  });
});

describe('a request that is to run alone does, though the schedule lets its tasks run side by side', () => {
  test.each<[Overlap, string]>([
    ['bufferOne', 'running'],
    ['bufferAll', 'running'],
    ['cancelOther', 'cancelling'],
  ])('with %s', (overlap, first) => {
    const driver = begin({ policy: { overlap: 'allow' } });
    passTo(driver, SECOND_MS - 5_000);
    expect(trigger(driver, 'alone', overlap)).toMatchObject({ outcome: { result: 'buffered' } });
    settle(driver);
    expect(driver.task(1)).toMatchObject({ state: 'running', cancelling: first === 'cancelling' });
    expect(runs(driver)).toEqual(['1@w1']);
    // What is planned goes by the policy and does not stand behind what waits.
    passTo(driver, SECOND_MS);
    expect(runs(driver)).toContain('2@w1');
    expect(view(driver).buffered).toHaveLength(1);
    for (const number of view(driver).tasks) driver.done(number, '');
    settle(driver);
    expect(view(driver).buffered).toEqual([]);
    expect(runs(driver)).toEqual(['3@w1']);
  });
});
