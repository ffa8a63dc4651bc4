/** What a peer reads of far tasks: before it applies, before it proposes, and for whoever asks. */
import { describe, expect, test } from 'vitest';
import { Applier } from '../../src/peer/applier.ts';
import { FarBodies } from '../../src/peer/far-bodies.ts';
import { TaskReader } from '../../src/peer/task-reader.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { Driver, entryOf, keyText } from '../scheduler/driver.ts';

const HOUR_MS = 3_600_000;

/** A state machine with six far tasks in blocks of one, all of which have left memory, and a disk that answers when it is told to. */
class Desk {
  readonly driver: Driver = new Driver({ farBlockTasksMax: 1 }).begin();
  readonly asked: number[] = [];
  readonly errors: unknown[] = [];
  wakes = 0;
  readonly far: FarBodies;
  #waiting: (() => void)[] = [];

  constructor() {
    const { driver } = this;
    driver.scheduler.enableFar();
    for (let at = 0; at < 6; at += 1) driver.submit({}, { text: `task ${at}`, delayMs: (5 + at) * HOUR_MS });
    driver.checkpoint();
    this.far = new FarBodies(
      driver.scheduler,
      { getMany: (keys) => this.#read(keys) },
      {
        guard: (action) => action(),
        wake: () => {
          this.wakes += 1;
        },
        unreadable: (error) => {
          this.errors.push(error);
        },
      },
    );
  }

  cancel(...numbers: number[]): Uint8Array {
    return entryOf(this.driver.nowMs, [{ type: 'cancel', namespace: 'default', numbers }]);
  }

  /** What is being read has come. */
  async answer(): Promise<void> {
    for (const resolve of this.#waiting.splice(0)) resolve();
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }

  get = async (key: Uint8Array): Promise<Uint8Array | undefined> => (await this.#read([key]))[0];

  async #read(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.asked.push(keys.length);
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return keys.map((key) => this.driver.database.get(keyText(key))?.value);
  }
}

describe('an entry that needs far tasks', () => {
  test('waits until they are read, and is woken once', async () => {
    const desk = new Desk();
    expect(desk.far.ready(desk.cancel(1, 2, 3))).toBe(false);
    expect(desk.far.ready(desk.cancel(1, 2, 3))).toBe(false);
    expect(desk.asked).toEqual([3]);
    await desk.answer();
    expect(desk.wakes).toBe(1);
    expect(desk.far.ready(desk.cancel(1, 2, 3))).toBe(true);
    expect(desk.errors).toEqual([]);
  });

  test('holds up those behind it, and those before are applied', async () => {
    const desk = new Desk();
    const { scheduler } = desk.driver;
    const applied: number[] = [];
    const clock = { monotonicMs: () => 0, wallMs: () => 0 };
    const first = desk.driver.index + 1;
    const applier = new Applier(
      scheduler,
      clock,
      1_000,
      first - 1,
      (entry) => {
        applied.push(entry.index - first);
      },
      (batch) => desk.far.ready(batch),
    );
    const tick = entryOf(desk.driver.nowMs, [{ type: 'tick' }]);
    applier.push(
      [tick, desk.cancel(4), tick].map((data, at) => ({ index: first + at, term: 1, kind: EntryKind.command, data })),
    );
    applier.run();
    expect([applied, applier.waiting, applier.stalled]).toEqual([[0], true, true]);
    applier.run();
    expect(applied).toEqual([0]);
    await desk.answer();
    applier.run();
    expect([applied, applier.waiting, applier.stalled]).toEqual([[0, 1, 2], false, false]);
    expect(scheduler.counters()).toMatchObject({ cancelled: 1, farTasks: 5 });
  });

  test('is told of as damage when one is not what it should be, or is not there', async () => {
    const desk = new Desk();
    desk.driver.database.clear();
    expect(desk.far.ready(desk.cancel(2))).toBe(false);
    await desk.answer();
    expect(desk.errors).toMatchObject([
      { code: 'STATE_DAMAGED', finding: expect.stringContaining('block 2') as string },
    ]);
    // The peer begins anew; here nothing goes on.
    expect(desk.far.ready(desk.cancel(2))).toBe(false);
    expect(desk.wakes).toBe(0);
  });

  test('does not wait for what was read before it was proposed', async () => {
    const desk = new Desk();
    const reading = desk.far.prepare([5, 6, 99]);
    await desk.answer();
    await reading;
    expect(desk.asked).toEqual([2]);
    expect(desk.far.prepare([5, 6])).toBeUndefined();
    expect(desk.far.ready(desk.cancel(5, 6))).toBe(true);
  });

  test('is read for after those that were asked for before, one at a time, and not again', async () => {
    const desk = new Desk();
    const readings = [desk.far.prepare([5]), desk.far.prepare([5, 6]), desk.far.prepare([5])];
    expect(desk.asked).toEqual([1]);
    await desk.answer();
    await readings[0];
    await desk.answer();
    for (const reading of readings) await reading;
    expect(desk.asked).toEqual([1, 1]);
    expect(desk.far.ready(desk.cancel(5, 6))).toBe(true);
  });

  test('opens a block that was read ahead', async () => {
    const desk = new Desk();
    desk.far.readAhead();
    expect(desk.asked).toEqual([]);
    const dueMs = desk.driver.scheduler.nextDueMs()!;
    desk.driver.nowMs = dueMs - 1;
    desk.driver.apply({ type: 'tick' });
    desk.far.readAhead();
    desk.far.readAhead();
    expect(desk.asked).toEqual([1]);
    await desk.answer();
    expect(desk.far.ready(entryOf(dueMs, []))).toBe(true);
    expect(desk.wakes).toBe(0);
  });
});

describe('a far task that is looked at', () => {
  test('is found where it is by then, when it leaves its block while that is read', async () => {
    const desk = new Desk();
    const { driver } = desk;
    const reader = new TaskReader(driver.scheduler, { get: desk.get } as never, { blockCacheCount: 1 });
    const cancelled = reader.task(1);
    const open = reader.task(2);
    driver.apply({ type: 'cancel', namespace: 'default', numbers: [1] });
    await desk.answer();
    await desk.answer();
    expect(await open).toMatchObject({ number: 2, state: 'scheduled' });
    expect(await cancelled).toMatchObject({ number: 1, state: 'cancelled' });
  });

  test('whose block is not there is damage, and no task that never was', async () => {
    const desk = new Desk();
    const reader = new TaskReader(desk.driver.scheduler, { get: desk.get } as never, { blockCacheCount: 1 });
    desk.driver.database.clear();
    const reading = reader.task(3).catch((error: unknown) => error);
    await desk.answer();
    expect(await reading).toMatchObject({ code: 'STATE_DAMAGED' });
  });
});
