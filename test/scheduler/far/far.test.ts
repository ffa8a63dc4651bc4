/** Single rules of tasks that leave memory: what they cost, what is refused, what comes back when. */
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../../src/base/bytes.ts';
import { levelOf, openAtMsOf, spanBeginMs, spanMsOf } from '../../../src/scheduler/far/spans.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import { farBlockKey } from '../../../src/scheduler/scheduler.ts';
import type { TaskFilter } from '../../../src/scheduler/views.ts';
import { blob, Driver, entryOf, keyText, textOf } from '../driver.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;

/** Tasks that are due in two hours and more leave memory. */
function far(limits: Partial<SchedulerLimits> = {}): Driver {
  const driver = new Driver(limits).begin();
  driver.scheduler.enableFar();
  return driver;
}

/** `count` tasks that are due in `delayMs`; they fill blocks. */
function delay(driver: Driver, count: number, delayMs: number): void {
  const [reply] = driver.apply(driver.submitCommand(Array.from({ length: count }, () => ({ delayMs })))).replies;
  expect(reply).toMatchObject({ type: 'submitted', created: count });
}

/** Lets time pass as a leader does, who proposes an empty entry whenever something is due. */
function wait(driver: Driver, ms: number): void {
  const untilMs = driver.nowMs + ms;
  for (let dueMs = driver.scheduler.nextDueMs(); dueMs !== undefined && dueMs <= untilMs;) {
    driver.nowMs = Math.max(driver.nowMs, dueMs);
    driver.apply({ type: 'tick' });
    dueMs = driver.scheduler.nextDueMs();
  }
  driver.nowMs = untilMs;
}

describe('a span of time', () => {
  test('is longer for what is further away, and never one whose blocks are being opened', () => {
    expect(levelOf(HOUR_MS, 2 * HOUR_MS - 1)).toBe(-1);
    expect(levelOf(HOUR_MS, 2 * HOUR_MS)).toBe(0);
    expect(levelOf(HOUR_MS, 64 * HOUR_MS)).toBe(1);
    expect(levelOf(HOUR_MS, 366 * 24 * HOUR_MS)).toBe(2);
    expect(levelOf(HOUR_MS, 10 * 366 * 24 * HOUR_MS)).toBe(3);
    const nowMs = 1_700_000_123_456;
    for (let awayMs = 2 * HOUR_MS; awayMs < 10 * 366 * 24 * HOUR_MS; awayMs = Math.floor(awayMs * 1.07) + 1) {
      const spanMs = spanMsOf(HOUR_MS, levelOf(HOUR_MS, awayMs));
      const beginMs = spanBeginMs(spanMs, nowMs + awayMs);
      for (let id = 1; id < 20; id += 1) {
        expect(openAtMsOf(spanMs, beginMs, id)).toBeGreaterThan(nowMs);
        expect(openAtMsOf(spanMs, beginMs, id)).toBeLessThan(beginMs);
      }
    }
  });

  test('has its blocks opened evenly over the half span before', () => {
    const slots = Array.from({ length: 60 }, () => 0);
    for (let id = 77; id < 77 + 1_200; id += 1) {
      const at = Math.floor((openAtMsOf(HOUR_MS, 10 * HOUR_MS, id) - 9.5 * HOUR_MS) / (30 * SECOND_MS));
      slots[at] = (slots[at] ?? 0) + 1;
    }
    expect(Math.min(...slots)).toBeGreaterThanOrEqual(18);
    expect(Math.max(...slots)).toBeLessThanOrEqual(22);
  });
});

describe('a far task', () => {
  test('has no row, is seen as if it had one, and gets one before its time', () => {
    const driver = far();
    const number = driver.submit(
      { requires: [['zone', 'a']], priority: 2 },
      { text: 'hello', delayMs: 5 * HOUR_MS, key: 'k', headers: blob('h') },
    );
    const near = new Driver().begin();
    near.submit(
      { requires: [['zone', 'a']], priority: 2 },
      { text: 'hello', delayMs: 5 * HOUR_MS, key: 'k', headers: blob('h') },
    );
    expect(driver.scheduler.counters()).toMatchObject({
      liveTasks: 0,
      liveBytes: 0,
      farTasks: 1,
      farBytes: 6,
      scheduled: 1,
    });
    expect(driver.task(number)).toEqual(near.task(number));
    wait(driver, 4.5 * HOUR_MS);
    expect(driver.scheduler.counters()).toMatchObject({
      liveTasks: 1,
      liveBytes: 6,
      farTasks: 0,
      farBytes: 0,
      scheduled: 1,
    });
    wait(driver, HOUR_MS / 2 - 1);
    expect(driver.task(number).state).toBe('scheduled');
    driver.nowMs += 1;
    driver.apply({ type: 'tick' });
    expect(driver.task(number).state).toBe('pending');
    expect(driver.task(number).history.map(({ type, reason }) => [type, reason])).toEqual([
      ['submitted', undefined],
      ['ready', 'due'],
    ]);
  });

  test('is looked up for a list only where its block may hold what is listed', () => {
    const driver = far({ farBlockTasksMax: 1 });
    for (const [type, queue] of [
      ['report', 'a'],
      ['mail', 'a'],
      ['mail', 'b'],
    ] as const)
      driver.submit({ type, queue }, { delayMs: 5 * HOUR_MS });
    const listed = (filter: Partial<TaskFilter>): readonly number[] =>
      driver.scheduler.list({ namespace: 'default', ...filter }, undefined, 10).tasks.map(({ number }) => number);
    expect(listed({})).toEqual([3, 2, 1]);
    expect(listed({ type: 'mail' })).toEqual([3, 2]);
    expect(listed({ type: 'mail', queue: 'a', states: ['scheduled'] })).toEqual([2]);
    expect([listed({ states: ['pending'] }), listed({ namespace: 'elsewhere' }), listed({ schedule: 's' })]).toEqual([
      [],
      [],
      [],
    ]);
  });

  test('keeps its key: the same is the same, another is refused, and it is free a day after the end', () => {
    const driver = far();
    const number = driver.submit({}, { text: 'a', key: 'k', delayMs: 5 * HOUR_MS });
    expect(
      driver.apply(driver.submitCommand([{ text: 'a', key: 'k', delayMs: 9 * HOUR_MS }])).replies[0],
    ).toMatchObject({
      created: 0,
      existing: [{ position: 0, number }],
    });
    const other = driver.apply(driver.submitCommand([{ text: 'b', key: 'k' }])).replies[0];
    expect(other).toMatchObject({ type: 'refused', code: 'KEY_CONFLICT' });
    const mark = driver.checkpoint();
    driver.scheduler = driver.restore(mark);
    driver.apply({ type: 'cancel', namespace: 'default', numbers: [number] });
    expect(driver.task(number)).toMatchObject({ state: 'cancelled', key: 'k' });
    wait(driver, 24 * HOUR_MS);
    driver.apply({ type: 'tick' });
    expect(driver.submit({}, { text: 'b', key: 'k' })).toBe(number + 1);
  });

  test('is not there for another namespace, and does not run for whoever says that it does', () => {
    const driver = far();
    const number = driver.submit({}, { delayMs: 5 * HOUR_MS });
    expect(driver.apply({ type: 'cancel', namespace: 'other', numbers: [number] }).replies[0]).toMatchObject({
      answers: ['NOT_FOUND'],
    });
    expect(driver.complete(number, { type: 'done', result: blob('') }, 7, 'w').replies[0]).toEqual({
      type: 'completed',
      answers: ['STALE_LEASE'],
    });
    expect(driver.apply({ type: 'extendRun', number, fencingToken: 7, runMs: 5 }).replies[0]).toMatchObject({
      code: 'STALE_LEASE',
    });
    expect(driver.task(number).state).toBe('scheduled');
  });

  test('runs out of time as a whole before it was ever due', () => {
    const driver = far();
    const totalMs = 4 * HOUR_MS;
    const number = driver.submit({ timeouts: { runMs: 0, queueMs: 0, totalMs } }, { delayMs: 90 * HOUR_MS });
    expect(driver.scheduler.counters().farTasks).toBe(1);
    wait(driver, totalMs - 1);
    expect(driver.task(number).state).toBe('scheduled');
    wait(driver, 1);
    expect(driver.task(number)).toMatchObject({ state: 'failed', reason: 'total-timeout' });
    expect(driver.submit({ timeouts: { runMs: 0, queueMs: 0, totalMs: HOUR_MS } }, { delayMs: 90 * HOUR_MS })).toBe(2);
    expect(driver.scheduler.counters().farTasks).toBe(0);
  });

  test('goes into a block of a shorter span as its time comes nearer', () => {
    const driver = far();
    const number = driver.submit({}, { text: 'x', delayMs: 200 * 24 * HOUR_MS });
    let moves = 0;
    let before = -1;
    for (let hour = 0; hour < 200 * 24; hour += 6) {
      const found = driver.scheduler.task(number);
      if (found !== undefined && 'farBlock' in found && found.farBlock !== before) {
        moves += 1;
        before = found.farBlock;
      }
      wait(driver, 6 * HOUR_MS);
    }
    expect(moves).toBe(3);
    expect(driver.task(number)).toMatchObject({ state: 'pending', runAtMs: 1_000_000_000 + 200 * 24 * HOUR_MS });
    expect(textOf((driver.task(number).payload as { bytes: Uint8Array }).bytes)).toBe('x');
  });

  test('keeps its row while the cluster has not switched it on, and loses none when it does', () => {
    const driver = new Driver().begin();
    driver.submit({}, { delayMs: 5 * HOUR_MS });
    driver.scheduler.enableFar();
    driver.submit({}, { delayMs: 5 * HOUR_MS });
    expect(driver.scheduler.counters()).toMatchObject({ liveTasks: 1, farTasks: 1 });
    wait(driver, 5 * HOUR_MS);
    expect(driver.scheduler.counters()).toMatchObject({ pending: 2 });
  });
});

describe('far tasks', () => {
  test('begin in the order of their instants after a leap of many hours, among those that were near', () => {
    const driver = far({ farBlockTasksMax: 2 });
    const delays = [9, 3, 1, 7, 5, 1.5, 8, 2.5, 6, 4];
    for (const hours of delays) driver.submit({}, { delayMs: hours * HOUR_MS });
    driver.attach('w', { slots: 20 });
    driver.nowMs += 12 * HOUR_MS;
    const { assigned } = driver.pass(0);
    const inOrder = delays.map((hours, at) => ({ hours, number: at + 1 })).sort((a, b) => a.hours - b.hours);
    expect(assigned).toEqual(inOrder.map(({ number }) => number));
  });

  test('have a bound of their own, in number and in bytes', () => {
    const driver = far({ farTasksMax: 3, farBytesMax: 20, liveTasksMax: 2 });
    delay(driver, 3, 5 * HOUR_MS);
    const refused = { type: 'refused', code: 'TASK_LIMIT' };
    expect(driver.apply(driver.submitCommand([{ delayMs: 5 * HOUR_MS }])).replies[0]).toMatchObject(refused);
    delay(driver, 2, HOUR_MS);
    expect(driver.apply(driver.submitCommand([{ delayMs: HOUR_MS }])).replies[0]).toMatchObject(refused);
    const other = far({ farTasksMax: 3, farBytesMax: 20 });
    other.submit({}, { text: 'sixteen bytes...', delayMs: 5 * HOUR_MS });
    const [reply] = other.apply(other.submitCommand([{ text: 'five.', delayMs: 5 * HOUR_MS }])).replies;
    expect(reply).toMatchObject(refused);
    other.submit({}, { text: 'five.', delayMs: HOUR_MS });
  });

  test('come back into memory whatever is there, and then nothing else is taken', () => {
    const driver = far({ liveTasksMax: 2 });
    delay(driver, 5, 5 * HOUR_MS);
    wait(driver, 5 * HOUR_MS);
    expect(driver.scheduler.counters()).toMatchObject({ liveTasks: 5, pending: 5 });
    expect(driver.apply(driver.submitCommand([{}])).replies[0]).toMatchObject({ code: 'TASK_LIMIT' });
  });

  test('are no records of their own, and their bodies leave memory with the checkpoint that holds them', () => {
    const driver = far();
    driver.checks = false;
    for (let at = 0; at < 8; at += 1) delay(driver, 512, (5 + (at % 2)) * HOUR_MS);
    driver.checkpoint();
    const tables = [...driver.database.values()].map(({ key }) => key[0]);
    expect(tables.filter((table) => table === 21)).toHaveLength(0);
    expect(tables.filter((table) => table === 242)).toHaveLength(8);
    expect(driver.scheduler.farBlock(1)).toBeUndefined();
    // A byte a number, for pages that lead into the blocks.
    const pages = [...driver.database.values()].filter(({ key }) => key[0] === 1);
    expect(pages.reduce((sum, { value }) => sum + value.length, 0)).toBeLessThan(8 * 512 + 200);
    // What applying needs is named, once.
    const cancel = { type: 'cancel', namespace: 'default', numbers: [1, 2, 513, 9_999] } as const;
    expect(driver.scheduler.farNeeds(entryOf(driver.nowMs, [cancel]))).toEqual([
      { block: 1, numbers: [1, 2] },
      { block: 2, numbers: [513] },
    ]);
    expect(driver.apply(cancel).replies[0]).toMatchObject({
      answers: ['cancelled', 'cancelled', 'cancelled', 'NOT_FOUND'],
    });
    expect(driver.scheduler.farBlock(1)).toBeUndefined();
    driver.scheduler.checkInvariants();
  });

  test('are read ahead shortly before their block is opened, and not earlier', () => {
    const driver = far({ farBlockTasksMax: 1 });
    driver.submit({}, { delayMs: 5 * HOUR_MS });
    driver.checkpoint();
    expect(driver.scheduler.farAhead()).toBeUndefined();
    driver.nowMs = (driver.scheduler.nextDueMs() ?? 0) - 1;
    driver.apply({ type: 'tick' });
    expect(driver.scheduler.farAhead()).toBe(1);
    const body = driver.database.get(keyText(farBlockKey(1)))?.value;
    driver.scheduler.giveFar({ block: 1, numbers: [] }, body);
    expect(driver.scheduler.farAhead()).toBeUndefined();
    expect(driver.scheduler.farNeeds(entryOf(driver.nowMs + 1, []))).toEqual([]);
  });
});

describe('what is read for a cancel before it is proposed', () => {
  test('is there when it is applied, and leaves the bound that there is', () => {
    const driver = far({ farBlockTasksMax: 512 });
    driver.checks = false;
    for (let at = 0; at < 5; at += 1) delay(driver, 512, 5 * HOUR_MS);
    driver.checkpoint();
    const prepare = (numbers: readonly number[]): void => {
      for (const need of driver.scheduler.farNeedsOf(numbers)) {
        driver.scheduler.giveFar(need, driver.database.get(keyText(farBlockKey(need.block)))?.value, true);
      }
    };
    const cancelled = (numbers: readonly number[]): Uint8Array =>
      entryOf(driver.nowMs, [{ type: 'cancel', namespace: 'default', numbers }]);
    prepare([7, 8, 600]);
    expect(driver.scheduler.farNeedsOf([7, 8, 600])).toEqual([]);
    driver.apply({ type: 'tick' });
    expect(driver.scheduler.farNeeds(cancelled([7, 600]))).toEqual([]);
    const outcome = driver.scheduler.apply(driver.index + 1, cancelled([7, 600]));
    expect(outcome.replies).toEqual([{ type: 'cancelled', answers: ['cancelled', 'cancelled'] }]);
    // Only so many are kept, those that came last.
    prepare(Array.from({ length: 2_100 }, (_, at) => 10 + at).filter((number) => number !== 600));
    expect(driver.scheduler.farNeeds(cancelled([8, 1_000]))).toEqual([{ block: 1, numbers: [8] }]);
    driver.scheduler.checkInvariants();
  });
});

describe('a body of a block', () => {
  test('is taken only when it is the one that the directory knows', () => {
    const driver = far({ farBlockTasksMax: 1 });
    driver.submit({}, { text: 'one', delayMs: 5 * HOUR_MS });
    driver.submit({}, { text: 'two', delayMs: 5 * HOUR_MS });
    driver.checkpoint();
    const bodyOf = (id: number): Uint8Array => driver.database.get(keyText(farBlockKey(id)))!.value;
    expect(() => driver.scheduler.giveFar({ block: 1, numbers: [] }, bodyOf(2))).toThrow(/not what its directory says/);
    expect(() => driver.scheduler.giveFar({ block: 1, numbers: [1] }, undefined)).toThrow(
      /not what its directory says/,
    );
    const cut = bodyOf(1).slice(0, -1);
    expect(() => driver.scheduler.giveFar({ block: 1, numbers: [1] }, cut)).toThrow(/not what its directory says/);
    // One that is gone is of no interest any more.
    driver.scheduler.giveFar({ block: 99, numbers: [] }, undefined);
  });

  test('that is still filled is needed to load a state, and a wrong one is refused', () => {
    const driver = far();
    driver.submit({}, { text: 'one', delayMs: 5 * HOUR_MS });
    const mark = driver.checkpoint();
    expect(driver.restore(mark).counters()).toMatchObject({ farTasks: 1, scheduled: 1 });
    const record = driver.database.get(keyText(farBlockKey(1)))!;
    record.value = record.value.slice();
    record.value[record.value.length - 1]! ^= 1;
    expect(() => driver.restore(mark)).toThrow(/open block 1 of far tasks is missing or damaged/);
    driver.database.delete(keyText(farBlockKey(1)));
    expect(() => driver.restore(mark)).toThrow(/open block 1 of far tasks is missing or damaged/);
  });

  test('holds the tasks one behind the other', () => {
    const driver = far();
    driver.submit({ queue: 'q' }, { text: 'one', delayMs: 5 * HOUR_MS });
    driver.submit({ queue: 'p' }, { text: 'two', delayMs: 5 * HOUR_MS });
    const reader = new ByteReader(driver.scheduler.farBlock(1)!, 1);
    const numbers: number[] = [];
    while (reader.remaining > 0) {
      numbers.push(reader.varint());
      reader.bytes();
    }
    expect(numbers).toEqual([1, 2]);
  });
});
