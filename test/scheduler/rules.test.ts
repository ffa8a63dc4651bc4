import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import type { Completion } from '../../src/scheduler/command.ts';
import { SCHEDULER_LIMITS, schedulerLimits } from '../../src/scheduler/limits.ts';
import { backoffMs } from '../../src/scheduler/retry.ts';
import { matchesFilter, payloadKey, Scheduler } from '../../src/scheduler/scheduler.ts';
import { isLegalMove, LEGAL_MOVES, STATE, TASK_STATES } from '../../src/scheduler/states.ts';
import { blob, Driver, hash, keyText, template, textOf } from './driver.ts';

const HOUR_MS = 3_600_000;
const RETURNED: Completion['outcome'] = { type: 'returned' };

describe('states', () => {
  test('the table of moves and its bits agree, and final is final', () => {
    for (const from of TASK_STATES) {
      for (const to of TASK_STATES) expect(isLegalMove(STATE[from], STATE[to])).toBe(LEGAL_MOVES[from].includes(to));
    }
    for (const state of ['done', 'failed', 'cancelled'] as const) expect(LEGAL_MOVES[state]).toEqual([]);
  });
});

describe('backoff', () => {
  test('doubles up to its maximum, give or take a fifth, the same every time', () => {
    const rule = { initialMs: 1_000, maxMs: HOUR_MS };
    for (let failures = 1; failures <= 14; failures += 1) {
      const middle = Math.min(1_000 * 2 ** (failures - 1), HOUR_MS);
      for (let number = 1; number < 200; number += 1) {
        const waitMs = backoffMs(rule, number, failures);
        expect(waitMs).toBeGreaterThanOrEqual(middle * 0.8);
        expect(waitMs).toBeLessThanOrEqual(middle * 1.2);
        expect(Number.isInteger(waitMs)).toBe(true);
        expect(backoffMs(rule, number, failures)).toBe(waitMs);
      }
    }
  });

  test('spreads tasks that failed together', () => {
    const rule = { initialMs: 10_000, maxMs: HOUR_MS };
    const waits = new Set(Array.from({ length: 500 }, (_, number) => backoffMs(rule, number + 1, 1)));
    expect(waits.size).toBeGreaterThan(300);
  });
});

describe('limits', () => {
  test('the defaults hold their own relations, and broken ones are refused', () => {
    expect(schedulerLimits()).toEqual(SCHEDULER_LIMITS);
    expect(() => schedulerLimits({ movesMax: 0 })).toThrow('movesMax');
    expect(() => schedulerLimits({ historyFirst: 100 })).toThrow('newest events');
  });

  test('a submission over a limit is refused whole, with a code and a position, and changes nothing', () => {
    const limits = {
      payloadBytesMax: 4,
      headersBytesMax: 2,
      liveTasksMax: 3,
      queuesMax: 1,
      batchTasksMax: 4,
      delayMsMax: 2_000_000_000,
    };
    const driver = new Driver(limits).begin();
    const refusal = (...input: Parameters<Driver['submitCommand']>): unknown =>
      driver.apply(driver.submitCommand(...input)).replies[0];
    const refused = (code: string, position: number): unknown => ({ type: 'refused', code, position });
    expect(refusal([])).toEqual(refused('INVALID_ARGUMENT', -1));
    expect(refusal([{}, {}, {}, {}, {}])).toEqual(refused('INVALID_ARGUMENT', -1));
    expect(refusal([{}, { text: 'large' }])).toEqual(refused('INVALID_ARGUMENT', 1));
    expect(refusal([{ headers: blob('abc') }])).toEqual(refused('INVALID_ARGUMENT', 0));
    expect(refusal([{ delayMs: 2_000_000_001 }])).toEqual(refused('INVALID_ARGUMENT', 0));
    expect(refusal([{ runAtMs: driver.nowMs + 2_000_000_001 }])).toEqual(refused('INVALID_ARGUMENT', 0));
    expect(refusal([{ key: 'a b' }])).toEqual(refused('INVALID_ARGUMENT', 0));
    expect(refusal([{ template: 7 }])).toEqual(refused('INVALID_ARGUMENT', 0));
    expect(refusal([{}, {}, {}, {}])).toEqual(refused('TASK_LIMIT', -1));
    for (const bad of [
      template({ type: 'no spaces' }),
      template({ queue: '' }),
      template({ priority: 0 }),
      template({ priority: 11 }),
      template({
        requires: [
          ['b', '1'],
          ['a', '1'],
        ],
      }),
      template({ retry: { maxAttempts: 0, initialMs: 1, maxMs: 1 } }),
      template({ timeouts: { runMs: 2_000_000_001, queueMs: 0, totalMs: 0 } }),
    ]) {
      expect(refusal([{}], [bad])).toEqual(refused('INVALID_ARGUMENT', 0));
    }
    expect(driver.scheduler.counters()).toMatchObject({ liveTasks: 0, submitted: 0 });
    expect(driver.scheduler.queues('default')).toEqual([]);
    expect(refusal([{}])).toMatchObject({ type: 'submitted', created: 1 });
    expect(refusal([{}], [template({ queue: 'second' })])).toEqual(refused('QUEUE_LIMIT', -1));
  });

  test('sessions, workers and registrations are bounded', () => {
    const driver = new Driver({ sessionsMax: 1, workersMax: 2, slotsMax: 4 }).begin();
    driver.pass(15_000);
    expect(driver.apply({ type: 'openSession', session: 't' }).replies).toEqual([
      { type: 'refused', code: 'SESSION_LIMIT', position: -1 },
    ]);
    for (const bad of [
      { slots: 0 },
      { slots: 5 },
      { types: [] },
      { types: ['a', 'a'] },
      { labels: [['b', ''] as const] },
    ]) {
      expect(driver.attach('w1', bad).replies[0]).toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    driver.attach('w1');
    driver.attach('w2');
    expect(driver.attach('w3').replies[0]).toMatchObject({ code: 'WORKER_LIMIT' });
    driver.apply({ type: 'workerLost', worker: 'w1', instance: 'w1-1', capsFreeAtMs: 0 });
    expect(driver.attach('w3').replies[0]).toMatchObject({ type: 'attached' });
    expect(driver.scheduler.allWorkers().map((worker) => worker.id)).toEqual(['w2', 'w3']);
  });

  test('a worker comes back though no name more may be used, and one with new types does not come', () => {
    const driver = new Driver({ namesMax: 5 }).begin();
    const running = driver.submit({ type: 'mail', queue: 'mail' });
    driver.attach('w1', { types: ['mail', 'report', 'sum'] });
    driver.apply({ type: 'termStarted', term: 2 });
    const held = [driver.held(running)];
    const attached = driver.attach('w1', { types: ['mail', 'report', 'sum'], held }).replies[0];
    expect(attached).toEqual({ type: 'attached', stale: [], settled: [] });
    const refused = driver.attach('w2', { types: ['new'] }).replies[0];
    expect(refused).toEqual({ type: 'refused', code: 'WORKER_LIMIT', position: -1 });
  });

  test('a lost worker is shown for an hour', () => {
    const driver = new Driver().begin();
    driver.pass(15_000);
    driver.attach('w1');
    driver.apply({ type: 'workerLost', worker: 'w1', instance: 'w1-1', capsFreeAtMs: 0 });
    driver.pass(HOUR_MS - 1);
    expect(driver.scheduler.workers('default')).toMatchObject([{ id: 'w1', lost: true, state: 'offline' }]);
    driver.pass(1);
    expect(driver.scheduler.workers('default')).toEqual([]);
  });
});

describe('finished tasks', () => {
  test('keep what they said, and their payload when they failed or asked for it', () => {
    const driver = new Driver().begin();
    driver.attach('w1');
    const headers = blob('trace');
    const done = driver.submit({}, { text: 'in', headers, key: 'k' });
    driver.done(done, 'out');
    const kept = driver.submit({ retention: { doneMs: 1, failedMs: 1, keepPayload: true } }, { text: 'in' });
    driver.done(kept);
    const failed = driver.submit({ retry: { maxAttempts: 1, initialMs: 0, maxMs: 0 } }, { text: 'in' });
    driver.fail(failed, 'broken');
    expect(driver.task(done)).toMatchObject({ state: 'done', key: 'k', headers, result: blob('out'), worker: 'w1' });
    expect(driver.task(done)).not.toHaveProperty('payload');
    expect(driver.task(kept)).toMatchObject({ payload: blob('in') });
    expect(driver.task(kept)).not.toHaveProperty('result');
    expect(driver.task(failed)).toMatchObject({
      state: 'failed',
      reason: 'error',
      error: blob('broken'),
      payload: blob('in'),
    });
  });

  test('are purged by whole hours, and a purged number is not found', () => {
    const driver = new Driver().begin();
    driver.attach('w1');
    const number = driver.submit({ retention: { doneMs: 2 * HOUR_MS, failedMs: 1, keepPayload: false } });
    const attempt = driver.held(number);
    driver.done(number);
    const purgeAtMs = Math.ceil((driver.nowMs + 2 * HOUR_MS) / HOUR_MS) * HOUR_MS;
    expect(driver.scheduler.nextDueMs()).toBe(purgeAtMs);
    driver.pass(purgeAtMs - driver.nowMs - 1);
    expect(driver.complete(number, RETURNED, attempt.fencingToken, 'w1').replies).toEqual([
      { type: 'completed', answers: ['ALREADY_FINAL'] },
    ]);
    driver.pass(1);
    expect(driver.scheduler.task(number)).toBeUndefined();
    expect(driver.complete(number, RETURNED, attempt.fencingToken, 'w1').replies).toEqual([
      { type: 'completed', answers: ['NOT_FOUND'] },
    ]);
    expect(driver.scheduler.queues('default')).toMatchObject([{ submitted: 1, done: 1 }]);
  });

  test('the oldest go first when a namespace has too many', () => {
    const driver = new Driver({ finishedTasksMax: 20 }).begin();
    driver.attach('w1', { slots: 100 });
    const large = blob('x'.repeat(40_000));
    for (let at = 0; at < 40; at += 1) driver.complete(driver.submit(), { type: 'done', result: large });
    expect(driver.scheduler.counters()).toMatchObject({ done: 40 });
    expect(driver.scheduler.counters().finishedTasks).toBeLessThanOrEqual(20);
    expect(driver.scheduler.task(1)).toBeUndefined();
    expect(driver.task(40)).toMatchObject({ state: 'done' });
  });
});

describe('history', () => {
  test('keeps the first ten events and the newest, and counts the rest', () => {
    const driver = new Driver({ historyEventsMax: 20 }).begin();
    driver.attach('w1');
    const number = driver.submit();
    for (let turn = 0; turn < 30; turn += 1) {
      driver.nowMs += 10;
      driver.complete(number, RETURNED);
    }
    const live = driver.task(number);
    // The running attempt's start comes on top, since it is in the row.
    expect(live.history.length + live.droppedEvents).toBe(1 + 2 * 30 + 1);
    expect(live.history.length).toBeLessThanOrEqual(21);
    expect(live.history.slice(0, 4).map((event) => event.type)).toEqual([
      'submitted',
      'started',
      'returned',
      'started',
    ]);
    expect(live.history[9]).toMatchObject({ type: 'started', attempt: 5 });
    driver.done(number);
    const { history, droppedEvents, startedAtMs, deliveries } = driver.task(number);
    expect(history).toHaveLength(20);
    expect(history.length + droppedEvents).toBe(1 + 2 * 31);
    expect(history.at(-1)).toMatchObject({ type: 'done', by: 'w1', attempt: 31 });
    expect(history.at(-2)).toMatchObject({ type: 'started', by: 'w1', attempt: 31, atMs: startedAtMs });
    expect(deliveries).toBe(31);
    expect(history[9]).toMatchObject({ type: 'started', attempt: 5 });
  });
});

describe('large payloads', () => {
  test('leave memory once a checkpoint holds them, and are found in their record', () => {
    const driver = new Driver().begin();
    const text = 'p'.repeat(2_000);
    const number = driver.submit({}, { text });
    expect(driver.task(number).payload).toEqual(blob(text));
    driver.checkpoint();
    expect(driver.task(number).payload).toEqual({ encoding: 2, offloaded: true, sizeBytes: 2_000 });
    driver.attach('w1');
    expect(driver.scheduler.assignment(number)?.payload).toMatchObject({ offloaded: true });
    const record = driver.database.get(keyText(payloadKey(number)));
    expect(textOf(driver.scheduler.readPayload(number, record!.value)!)).toBe(text);
    const damaged = record!.value.slice();
    damaged[9]! ^= 1;
    expect(() => driver.scheduler.readPayload(number, damaged)).toThrow(DecodeError);
    driver.fail(number);
    driver.pass(10_000);
    driver.complete(number, { type: 'failed', error: blob('no'), nonRetryable: true });
    expect(driver.task(number).payload).toMatchObject({ offloaded: true });
    const small = driver.submit({}, { text: 'q'.repeat(3_000) });
    driver.done(small);
    driver.checkpoint();
    expect(driver.database.has(keyText(payloadKey(small)))).toBe(false);
    expect(driver.database.has(keyText(payloadKey(number)))).toBe(true);
  });
});

describe('lists', () => {
  test('go newest first, a bounded look at a time, live and finished', () => {
    const driver = new Driver({ listExamineMax: 10 }).begin();
    driver.attach('w1', { slots: 50 });
    for (let at = 0; at < 60; at += 1) driver.submit(at % 2 === 0 ? {} : { queue: 'odd', type: 'other' });
    for (let number = 1; number <= 59; number += 4) driver.done(number);
    const seen: number[] = [];
    const filter = { namespace: 'default', queue: 'default' };
    let cursor: number | undefined;
    let pages = 0;
    do {
      const page = driver.scheduler.list(filter, cursor, 7);
      expect(page.tasks.length).toBeLessThanOrEqual(7);
      for (const found of page.tasks) {
        const view = 'state' in found ? found : driver.task(found.number);
        if (matchesFilter(view, filter)) seen.push(view.number);
      }
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined);
    expect(seen).toEqual(Array.from({ length: 30 }, (_, at) => 59 - 2 * at));
    expect(pages).toBeGreaterThanOrEqual(6);
    const running = driver.scheduler.list({ namespace: 'default', states: ['running'] }, 12, 100).tasks;
    expect(running.map((found) => found.number)).toEqual([11, 7, 3]);
    expect(
      driver.scheduler.list({ namespace: 'elsewhere' }, undefined, 100).tasks.filter((one) => 'state' in one),
    ).toEqual([]);
  });
});

describe('queues', () => {
  test('tell how long the oldest ready task has waited, those that came back included', () => {
    const driver = new Driver().begin();
    driver.submit();
    driver.pass(4_000);
    driver.submit({ priority: 1 });
    driver.pass(1_000);
    expect(driver.scheduler.queues('default')).toMatchObject([
      { name: 'default', pending: 2, oldestReadyAgeMs: 5_000 },
    ]);
    driver.attach('w1');
    expect(driver.scheduler.queues('default')).toMatchObject([{ running: 1, oldestReadyAgeMs: 5_000 }]);
    driver.apply({ type: 'drainWorker', worker: 'w1', deadlineMs: driver.nowMs });
    driver.complete(2, RETURNED);
    expect(driver.scheduler.queues('default')).toMatchObject([{ pending: 2, oldestReadyAgeMs: 5_000 }]);
  });
});

describe('a total timeout', () => {
  test.each<[string, (driver: Driver, number: number) => void]>([
    ['handed back', (driver, number) => driver.complete(number, RETURNED)],
    ['lost with its worker', (driver) => driver.apply({ type: 'workerLeft', worker: 'w1', instance: 'w1-1' })],
  ])('that passed in the first lease of a term ends a task that is %s, which is not started again', (_, end) => {
    const driver = new Driver().begin();
    driver.attach('w1');
    const number = driver.submit({ timeouts: { runMs: 0, queueMs: 0, totalMs: 10_000 } });
    driver.nowMs += 9_000;
    driver.apply({ type: 'termStarted', term: 2 });
    driver.attach('w1', { held: [driver.held(number)] });
    driver.attach('w2');
    driver.pass(2_000);
    expect(driver.task(number).state).toBe('running');
    end(driver, number);
    expect(driver.task(number)).toMatchObject({ state: 'failed', reason: 'total-timeout', deliveries: 1 });
  });
});

describe('keys', () => {
  test('that fall free by the hundred hold up no task that is due, and all of them do', () => {
    const driver = new Driver({ movesMax: 10 }).begin();
    driver.attach('w1', { slots: 10 });
    for (let at = 0; at < 100; at += 1) driver.done(driver.submit({}, { key: `k${at}` }));
    const delayed = driver.submit({}, { delayMs: 24 * HOUR_MS });
    driver.nowMs += 24 * HOUR_MS;
    expect(driver.apply({ type: 'tick' }).assigned).toEqual([delayed]);
    expect(driver.scheduler.openCursors).toBe(true);
    driver.pass(0);
    const [again] = driver.apply(driver.submitCommand([{ key: 'k0', text: 'other' }, { key: 'k99' }])).replies;
    expect(again).toMatchObject({ type: 'submitted', created: 2, existing: [] });
  });
});

describe('entries', () => {
  test('are applied once, in order, and log time never goes back', () => {
    const driver = new Driver().begin();
    const { bytes } = driver.log.at(-1)!;
    expect(() => driver.scheduler.apply(driver.index, bytes)).toThrow('once, in order');
    driver.nowMs -= 1;
    expect(() => driver.apply({ type: 'tick' })).toThrow('never goes back');
  });

  test('make the same state whoever applies them, whenever it drains', () => {
    const driver = new Driver().begin();
    driver.attach('w1', { slots: 3 });
    const other = new Scheduler({ crc32: hash });
    let fed = 0;
    for (let turn = 0; turn < 40; turn += 1) {
      driver.nowMs += 700;
      driver.submit(
        { queue: `q${turn % 3}` },
        { text: 't'.repeat(turn), ...(turn % 5 === 0 ? { key: `k${turn}` } : {}) },
      );
      if (turn % 2 === 0) driver.done([...driver.scheduler.assignmentsOf('w1')][0]!, 'r');
      if (turn % 7 === 0) driver.apply({ type: 'checkpointMark' });
      // This one drains late and in small pieces, and never says that anything was written: later marks are only hashed.
      for (; fed < driver.log.length; fed += 1) other.apply(driver.log[fed]!.index, driver.log[fed]!.bytes);
      other.drain(1 + (turn % 4), { put(): void {}, del(): void {} });
      if (turn % 7 !== 0) continue;
      const mark = driver.drain();
      driver.scheduler.checkpointWritten(mark.index);
      while (!other.drain(50, { put(): void {}, del(): void {} }));
      expect(other.lastMark).toEqual(mark);
    }
  });
});

describe('loading', () => {
  test('refuses records that do not make the state of the mark', () => {
    const driver = new Driver().begin();
    driver.attach('w1');
    driver.submit({}, { text: 'a', key: 'k' });
    driver.submit({}, { text: 'b' });
    driver.done(1);
    const mark = driver.checkpoint();
    expect(driver.restore(mark).counters()).toEqual(driver.scheduler.counters());
    for (const [text, record] of Array.from(driver.database)) {
      driver.database.delete(text);
      expect(() => driver.restore(mark), `without ${text}`).toThrow(/.+/);
      const changed = record.value.slice();
      changed[changed.length - 1]! ^= 1;
      driver.database.set(text, { key: record.key, value: changed });
      expect(() => driver.restore(mark), `with ${text} changed`).toThrow(/.+/);
      driver.database.set(text, record);
    }
    expect(driver.restore(mark).lastMark).toEqual(mark);
  });
});
