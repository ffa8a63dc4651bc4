import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBatch } from '../../../src/scheduler/batch.ts';
import type { Command, Overlap } from '../../../src/scheduler/command.ts';
import { schedulerLimits, type SchedulerLimits } from '../../../src/scheduler/limits.ts';
import type { SettledOccurrence } from '../../../src/scheduler/outcome.ts';
import type { Mark, Scheduler } from '../../../src/scheduler/scheduler.ts';
import { blob, Driver, type KeptOutcome } from '../driver.ts';
import { advanceOf } from './keeper.ts';
import { type ModelSchedule, type ModelSettled, ScheduleModel } from './model.ts';
import { put } from './schedule-story.ts';

const SMALL: Partial<SchedulerLimits> = {
  scheduleBufferMax: 3,
  scheduleInstantsMax: 6,
  scheduleRecentMax: 5,
  scheduleRequestsMax: 3,
  catchUpMax: 3,
  liveTasksMax: 6,
  cancelGraceMs: 10 * 366 * 86_400_000,
};

const IDS = ['a', 'b', 'c'];
const NO_TIMEOUTS = { runMs: 0, queueMs: 0, totalMs: 0 };

const overlap = fc.constantFrom<Overlap[]>('skip', 'bufferOne', 'bufferAll', 'cancelOther', 'allow');
const id = fc.constantFrom(...IDS);

/** What happens next; what it means depends on the state that it meets. */
type Step =
  | { readonly do: 'put'; readonly command: Extract<Command, { type: 'putSchedule' }> }
  | { readonly do: 'say'; readonly command: Command }
  | { readonly do: 'keep'; readonly count: number; readonly late: boolean }
  | { readonly do: 'again' }
  | { readonly do: 'end'; readonly which: number; readonly how: 'done' | 'failed' | 'returned' }
  | {
      readonly do: 'backfill';
      readonly id: string;
      readonly versionOff: number;
      readonly request: number;
      readonly ago: number;
    };

const putOf = (which: fc.Arbitrary<string>): fc.Arbitrary<Step> =>
  fc
    .record({
      id: which,
      every: fc.constantFrom(
        'every 1000',
        'every 7000',
        'every 60000 jitter 20000',
        'every 45000',
        'at 1000100000,1000300000',
      ),
      policy: fc.record({
        overlap,
        catchUp: fc.constantFrom('latest' as const, 'all' as const, 'none' as const),
        catchUpWindowMs: fc.constantFrom(100_000, 86_400_000),
        maxRuns: fc.constantFrom(0, 0, 0, 4),
        pauseOnFailure: fc.constantFrom(0, 1, 2),
      }),
      expectedVersion: fc.constantFrom(-1, -1, -1, 0, 1, 2),
      headers: fc.constantFrom(undefined, 'trace'),
      paused: fc.nat(9).map((draw) => draw === 0),
    })
    .map(({ id: schedule, ...overrides }) => ({
      do: 'put',
      command: put(schedule, { ...overrides, template: { timeouts: NO_TIMEOUTS } }),
    }));

const request = fc.nat(5).map((number) => `r${number}`);
const note = blob('note');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: putOf(id) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('keep' as const),
      count: fc.integer({ min: 1, max: 3 }),
      late: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'again' }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(20),
      how: fc.constantFrom('done' as const, 'failed' as const, 'returned' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ id, request, overlap: fc.option(overlap, { nil: undefined }) })
      .map(({ id: schedule, request: name, overlap: given }): Step => ({
        do: 'say',
        command: {
          type: 'triggerSchedule',
          namespace: 'default',
          schedule,
          request: name,
          ...(given === undefined ? {} : { overlap: given }),
        },
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        id,
        type: fc.constantFrom('pauseSchedule' as const, 'resumeSchedule' as const, 'resumeSchedule' as const),
      })
      .map(({ id: schedule, type }): Step => ({ do: 'say', command: { type, namespace: 'default', schedule, note } })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ id, expectedVersion: fc.constantFrom(-1, 1, 2) })
      .map(({ id: schedule, expectedVersion }): Step => ({
        do: 'say',
        command: { type: 'deleteSchedule', namespace: 'default', schedule, expectedVersion },
      })),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('backfill' as const),
      id,
      versionOff: fc.constantFrom(0, 0, 0, 1),
      request: fc.nat(3),
      ago: fc.integer({ min: 1, max: 5 }),
    }),
  },
);

/** Steps of one entry, with how long after the one before it comes. */
const entry = fc.record({
  afterMs: fc.constantFrom(0, 5, 10, 500, 1_000, 7_000, 30_000, 61_000, 400_000),
  steps: fc.array(step, { maxLength: 3 }),
  mark: fc.nat(3).map((draw) => draw === 0),
});
const entries = fc
  .tuple(fc.tuple(...IDS.map((one) => putOf(fc.constant(one)))), fc.array(entry, { minLength: 5, maxLength: 60 }))
  .map(([puts, more]) => [{ afterMs: 0, steps: puts, mark: false }, ...more]);

class Pair {
  readonly driver: Driver;
  readonly model: ScheduleModel;
  #lastAdvance: Command | undefined;

  constructor(limits: Partial<SchedulerLimits>) {
    this.driver = new Driver(limits);
    this.driver.begin();
    this.driver.attach('w1', { slots: 100 });
    this.model = new ScheduleModel(schedulerLimits(limits));
  }

  /** The commands of a step, as things stand. */
  commands(one: Step): Command[] {
    const { scheduler } = this.driver;
    switch (one.do) {
      case 'put':
      case 'say':
        return [one.command];
      case 'keep': {
        const all = scheduler.wantingSchedules(one.count).map((wanting) => advanceOf(wanting, scheduler.logTimeMs));
        this.#lastAdvance = all[0] ?? this.#lastAdvance;
        // Computed, and applied behind whatever comes next.
        return one.late ? [] : all;
      }
      case 'again':
        return this.#lastAdvance === undefined ? [] : [this.#lastAdvance];
      case 'end': {
        const running = scheduler.assignmentsOf('w1');
        const number = running[one.which % Math.max(1, running.length)];
        if (number === undefined) return [];
        const outcome =
          one.how === 'returned'
            ? ({ type: 'returned' } as const)
            : one.how === 'done'
              ? ({ type: 'done', result: blob('') } as const)
              : ({ type: 'failed', error: blob('no'), nonRetryable: true } as const);
        const { fencingToken } = scheduler.assignment(number) ?? { fencingToken: 0 };
        return [{ type: 'complete', worker: 'w1', completions: [{ number, fencingToken, outcome }] }];
      }
      case 'backfill': {
        const version = (this.model.find(one.id)?.version ?? 1) + one.versionOff;
        const lastMs = this.driver.nowMs;
        const plannedMs = Array.from({ length: one.ago }, (_, at) => lastMs - (one.ago - at) * 1_000);
        const name = { namespace: 'default', schedule: one.id, request: `b${one.request}` };
        return [{ type: 'backfillSchedule', ...name, version, plannedMs }];
      }
    }
  }

  /** One entry to both, and what they say about it. */
  apply(commands: readonly Command[], mark: boolean): void {
    const expected = this.model.apply(this.driver.nowMs, commands);
    const { replies, occurrences } = this.driver.apply(
      ...commands,
      ...(mark ? [{ type: 'checkpointMark' } as const] : []),
    );
    for (const [at, reply] of expected.entries()) {
      // Of completions the model keeps no answers.
      if (commands[at]?.type !== 'complete') expect(replies[at]).toEqual(reply);
    }
    expect(occurrences.map(settledOf)).toEqual(this.model.settled);
    for (const of of IDS) expect(viewOf(this.driver.scheduler, of)).toEqual(modelView(this.model, of));
  }
}

function settledOf(one: SettledOccurrence): ModelSettled {
  const { schedule, version, plannedMs, kind, lateMs } = one;
  return { schedule, version, plannedMs, kind, lateMs, what: one.task ?? one.skipped ?? 0 };
}

function viewOf(scheduler: Scheduler, of: string): unknown {
  const view = scheduler.schedule('default', of);
  if (view === undefined) return undefined;
  const { number, version, ended, next, unfinished, runs, failures, computedThroughMs } = view;
  return {
    number,
    version,
    ended,
    next,
    unfinished,
    runs,
    failures,
    computedThroughMs,
    paused: view.pause !== undefined,
    tasks: view.tasks,
    buffered: view.buffered,
    skipped: Object.entries(view.counters.skipped).filter(([, count]) => count > 0),
    fired: view.counters.fired,
    late: [view.counters.lateLastMs, view.counters.lateMaxMs, view.counters.lateSumMs],
    recent: view.recent.map((one) => [
      { version: one.version, plannedMs: one.plannedMs, kind: one.kind },
      one.task ?? one.skipped,
      one.ended,
    ]),
  };
}

function modelView(model: ScheduleModel, of: string): unknown {
  const schedule = model.find(of);
  if (schedule === undefined) return undefined;
  const { number, version, ended, next, runs, failures, computedMs, paused, settled } = schedule;
  const reasons = [
    'paused',
    'missed',
    'outsideWindow',
    'superseded',
    'catchUpLimit',
    'overlap',
    'bufferFull',
    'taskLimit',
  ];
  const late = settled.filter((one) => one.kind === 'planned' && typeof one.what === 'number').map((one) => one.lateMs);
  const unfinished = model.unfinished(schedule).map((task) => task.number);
  return {
    number,
    version,
    ended,
    next,
    unfinished: unfinished.length,
    runs,
    failures,
    computedThroughMs: computedMs,
    paused,
    tasks: unfinished,
    buffered: schedule.buffer.map(({ version: of_, plannedMs, kind }) => ({ version: of_, plannedMs, kind })),
    skipped: reasons.map((reason) => [reason, count(settled, (one) => one.what === reason)]).filter(([, n]) => n !== 0),
    fired: {
      planned: count(settled, (one) => one.kind === 'planned' && typeof one.what === 'number'),
      trigger: count(settled, (one) => one.kind === 'trigger' && typeof one.what === 'number'),
      backfill: count(settled, (one) => one.kind === 'backfill' && typeof one.what === 'number'),
    },
    late: [late.at(-1) ?? 0, Math.max(0, ...late), late.reduce((sum, one) => sum + one, 0)],
    recent: recentOf(model, schedule),
  };
}

function recentOf(model: ScheduleModel, { settled }: ModelSchedule): unknown[] {
  return settled
    .slice(-5)
    .reverse()
    .map(({ version, plannedMs, kind, what }) => [
      { version, plannedMs, kind },
      what,
      typeof what === 'number' ? model.tasks[what - 1]?.end : undefined,
    ]);
}

function count(settled: readonly ModelSettled[], is: (one: ModelSettled) => boolean): number {
  return settled.filter(is).length;
}

describe('schedules', () => {
  test('do what a slow model does, whatever comes in whatever order', () => {
    fc.assert(
      fc.property(entries, (run) => {
        const pair = new Pair({ ...SMALL, movesMax: 100_000 });
        for (const { afterMs, steps } of run) {
          pair.driver.nowMs += afterMs;
          pair.apply(
            steps.flatMap((one) => pair.commands(one)),
            false,
          );
        }
      }),
      { numRuns: 100 },
    );
  });

  test('settle every occurrence once, or name it as pending, however little an entry may do and wherever a peer is restored', () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 6 }), (run, movesMax) => {
        const pair = new Pair({ ...SMALL, movesMax });
        const { driver } = pair;
        const restored: { readonly mark: Mark; readonly scheduler: Scheduler }[] = [];
        for (const { afterMs, steps, mark } of run) {
          driver.nowMs += afterMs;
          const commands = steps.flatMap((one) => pair.commands(one));
          driver.apply(...commands);
          if (!mark) continue;
          const written = driver.checkpoint();
          const scheduler = driver.restore(written, restored.length);
          for (const of of IDS)
            expect(scheduler.schedule('default', of)).toEqual(driver.scheduler.schedule('default', of));
          if (restored.length < 4) restored.push({ mark: written, scheduler });
        }
        while (driver.scheduler.openCursors) driver.apply({ type: 'tick' });
        new Ledger(driver).check(driver.scheduler);
        const last = driver.checkpoint();
        for (const { mark, scheduler } of restored) expect(replay(driver, mark, scheduler)).toEqual(last);
      }),
      { numRuns: 100 },
    );
  });
});

/** Every instant that was taken in, and what became of it. */
class Ledger {
  readonly #pending = new Set<string>();
  readonly #settled = new Set<string>();

  constructor(driver: Driver) {
    for (const [at, { bytes }] of driver.log.entries()) {
      const commands = decodeBatch(bytes).commands.map((one) => one.command);
      this.#note(commands, driver.outcomes[at] as KeptOutcome);
    }
  }

  #note(commands: readonly Command[], { replies, occurrences }: KeptOutcome): void {
    for (const [at, command] of commands.entries()) {
      if (command.type !== 'advanceSchedule' || replies[at]?.type !== 'ok') continue;
      for (const { plannedMs } of command.occurrences)
        this.#pending.add(key(command.number, command.version, plannedMs));
    }
    for (const { schedule, version, plannedMs, kind } of occurrences) {
      if (kind !== 'planned') continue;
      const name = key(schedule, version, plannedMs);
      expect(this.#settled.has(name), `${name} is settled twice`).toBe(false);
      expect(this.#pending.delete(name), `${name} was never taken in`).toBe(true);
      this.#settled.add(name);
    }
  }

  /** What is neither settled nor to be seen as next or waiting belongs to a schedule that is gone, changed or at its end. */
  check(scheduler: Scheduler): void {
    for (const of of IDS) {
      const view = scheduler.schedule('default', of);
      if (view === undefined || view.ended) continue;
      const seen = new Set(
        view.next
          .map((one) => key(view.number, view.version, one.plannedMs))
          .concat(view.buffered.map((one) => key(view.number, one.version, one.plannedMs))),
      );
      const own = [...this.#pending].filter((name) => name.startsWith(`${view.number}/${view.version}/`));
      // What an advance brought beyond the room was not taken.
      const taken = own.filter((name) => Number(name.split('/')[2]) <= view.computedThroughMs);
      expect(taken.filter((name) => !seen.has(name))).toEqual([]);
    }
  }
}

function key(number: number, version: number, plannedMs: number): string {
  return `${number}/${version}/${plannedMs}`;
}

/** Applies what came behind `mark` to a restored peer. @returns its digest at the last mark */
function replay(driver: Driver, mark: Mark, scheduler: Scheduler): Mark | undefined {
  for (const { index, bytes } of driver.log.slice(mark.index)) {
    expect(scheduler.apply(index, bytes)).toMatchObject(driver.outcomes[index - 1] as KeptOutcome);
  }
  scheduler.checkInvariants();
  while (!scheduler.drain(1_000, { put() {}, del() {} }));
  return scheduler.lastMark;
}
