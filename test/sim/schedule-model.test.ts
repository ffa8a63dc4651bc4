import { describe, expect, test } from 'vitest';
import { compareFired } from '../../sim/checkers/instant-checks.ts';
import { noCounts } from '../../sim/checkers/occurrence-counts.ts';
import { ScheduleModel } from '../../sim/checkers/schedule-model.ts';
import { ExpectedInstants, instantsBetween } from '../../sim/schedules/expected-instants.ts';
import type { Plan } from '../../sim/schedules/plan.ts';
import { SCHEDULER_LIMITS } from '../../src/scheduler/limits.ts';
import type { SchedulePolicy } from '../../src/scheduler/command.ts';
import type { SettledOccurrence } from '../../src/scheduler/outcome.ts';
import type { ScheduleView } from '../../src/scheduler/views.ts';
import { Violation } from '../../sim/world.ts';

/** 2026-01-01T00:00Z: the schedule of these tests is put then and fires each ten seconds. */
const BEGIN_MS = 1_767_225_600_000;
const DEFINITION: Plan['definition'] = {
  specs: [{ everyMs: 10_000, phaseMs: 0 }],
  exclude: [],
  timeZone: 'UTC',
  dayMatch: 'or',
  dst: { gap: 'after', overlap: 'first' },
  jitterMs: 0,
};
const POLICY: SchedulePolicy = {
  overlap: 'skip',
  catchUp: 'latest',
  catchUpWindowMs: 86_400_000,
  maxRuns: 0,
  pauseOnFailure: 0,
};

const PLAN: Plan = {
  mark: 'm',
  spec: { id: 's', every: 10_000, task: { type: 't' } },
  definition: DEFINITION,
  policy: POLICY,
  paused: false,
  mayNeverFire: false,
};

interface Step {
  /** Seconds after the begin. */
  readonly at: number;
  readonly settled?: readonly Partial<SettledOccurrence>[];
  readonly finished?: readonly { readonly number: number; readonly state: string }[];
  readonly view?: Partial<ScheduleView>;
  readonly changed?: boolean;
  readonly commands?: (model: ScheduleModel) => void;
}

/** Lets a schedule go through `steps`, each an entry. @throws Violation */
function tell(policy: Partial<SchedulePolicy>, ...steps: readonly Step[]): ScheduleModel {
  const plan: Plan = { ...PLAN, policy: { ...POLICY, ...policy } };
  const compare = (holds: boolean, words: () => string): void => {
    if (!holds) throw new Violation('occurrences', words());
  };
  const parts = { number: 1, id: 's', limits: SCHEDULER_LIMITS, counts: noCounts(), compare };
  const model = new ScheduleModel(parts, plan, BEGIN_MS);
  for (const [index, { at, settled = [], finished = [], view = {}, changed = false, commands }] of steps.entries()) {
    const logTimeMs = BEGIN_MS + at * 1_000;
    const takenMs = Math.max(BEGIN_MS, ...settled.map(({ plannedMs = 0 }) => plannedMs));
    model.begin({
      index,
      term: 1,
      logTimeMs,
      settled: settled.map((one) => occurrence(one, logTimeMs)),
      finished,
      changed,
      view: {
        version: 1,
        settledThroughMs: takenMs,
        failures: 0,
        unfinished: 0,
        runs: 0,
        buffered: [],
        next: [],
        ended: false,
        slotFreeAtMs: 0,
        computedThroughMs: takenMs,
        ...view,
      } as unknown as ScheduleView,
    });
    commands?.(model);
    model.end();
  }
  return model;
}

function occurrence(given: Partial<SettledOccurrence>, logTimeMs: number): SettledOccurrence {
  const { plannedMs = 0 } = given;
  const base = { schedule: 1, namespace: 'default', id: 's', version: 1, plannedMs, fireAtMs: plannedMs };
  return { ...base, kind: 'planned', lateMs: logTimeMs - plannedMs, ...given };
}

const planned = (second: number): number => BEGIN_MS + second * 1_000;

test('a schedule that fires when it should is let pass', () => {
  const model = tell(
    {},
    { at: 10, settled: [{ plannedMs: planned(10), task: 1 }], view: { unfinished: 1, runs: 1 } },
    { at: 20, settled: [{ plannedMs: planned(20), skipped: 'overlap' }], view: { unfinished: 1, runs: 1 } },
    { at: 25, finished: [{ number: 1, state: 'done' }], view: { settledThroughMs: planned(25), runs: 1 } },
    { at: 30, settled: [{ plannedMs: planned(30), task: 2 }], view: { unfinished: 1, runs: 2 } },
  );
  expect(model.overdue(planned(39), 1_000)).toBeUndefined();
  expect(model.overdue(planned(42), 1_000)).toMatch('neither a task nor skipped');
});

test('a change that ends at once, and another one in the same entry, leave nobody who names the instants between', () => {
  const plan = (policy: Partial<SchedulePolicy>): Plan => ({ ...PLAN, policy: { ...POLICY, ...policy } });
  const changes = (count: number): Step => ({
    at: 35,
    settled: [{ plannedMs: planned(20), task: 2 }],
    changed: true,
    commands: (model) => {
      model.change(plan({ maxRuns: 1 }), 2);
      if (count > 1) model.change(plan({ overlap: 'allow' }), 3);
    },
    view: { version: count + 1, settledThroughMs: planned(35), unfinished: 2, runs: 2, ended: count === 1 },
  });
  const first: Step = { at: 10, settled: [{ plannedMs: planned(10), task: 1 }], view: { unfinished: 1, runs: 1 } };
  for (const count of [1, 2]) tell({ overlap: 'allow' }, first, changes(count));
  const goesOn = { ...changes(1), commands: (model: ScheduleModel) => model.change(plan({}), 2) };
  const view = { ...goesOn.view, ended: false };
  expect(() => tell({ overlap: 'allow' }, first, { ...goesOn, view })).toThrow('should make a task');
});

describe('a schedule is stopped that', () => {
  const first: Step = { at: 10, settled: [{ plannedMs: planned(10), task: 1 }], view: { unfinished: 1, runs: 1 } };

  test.each<[string, Partial<SchedulePolicy>, readonly Step[], RegExp]>([
    ['passes one over', {}, [{ at: 15, view: { settledThroughMs: planned(15) } }], /make a task/],
    ['fires one that is not planned', {}, [{ at: 15, settled: [{ plannedMs: planned(15), task: 1 }] }], /make a task/],
    ['fires early', {}, [{ at: 9, settled: [{ plannedMs: planned(10), task: 1 }] }], /taken up/],
    [
      'runs one beside another',
      {},
      [first, { at: 20, settled: [{ plannedMs: planned(20), task: 2 }] }],
      /skipped as overlap/,
    ],
    [
      'skips one for another reason',
      {},
      [first, { at: 20, settled: [{ plannedMs: planned(20), skipped: 'paused' }] }],
      /skipped as overlap/,
    ],
    [
      'takes what is late for missed',
      {},
      [{ at: 20, settled: [{ plannedMs: planned(10), skipped: 'superseded' }] }],
      /make a task/,
    ],
    [
      'catches up what it must not',
      { catchUp: 'none' },
      [{ at: 80, settled: [{ plannedMs: planned(10), task: 1 }] }],
      /skipped as missed/,
    ],
    [
      'fires while it is paused',
      {},
      [
        { at: 5, commands: (model) => model.pause(), view: { pause: {} as NonNullable<ScheduleView['pause']> } },
        { at: 10, settled: [{ plannedMs: planned(10), task: 1 }] },
      ],
      /skipped as paused/,
    ],
    [
      'goes back',
      {},
      [
        first,
        { at: 12, settled: [], finished: [{ number: 1, state: 'done' }], view: { settledThroughMs: planned(9) } },
      ],
      /is before/,
    ],
    [
      'loses what waits',
      { overlap: 'bufferOne' },
      [first, { at: 20, view: { settledThroughMs: planned(20), unfinished: 1, runs: 2, buffered: [] } }],
      /has 0 waiting; 1 should/,
    ],
    [
      'leaves out what is to come',
      {},
      [{ at: 5, view: { computedThroughMs: planned(60), next: [{ plannedMs: planned(20), fireAtMs: planned(20) }] } }],
      /the calendar says 00:00:10/,
    ],
    [
      'runs on after its last run',
      { maxRuns: 1 },
      [first, { at: 20, settled: [{ plannedMs: planned(20), skipped: 'overlap' }] }],
      /goes on after its last run|is not due/,
    ],
  ])('%s', (_, policy, steps, words) => {
    expect(() => tell(policy, ...steps)).toThrow(words);
  });
});

test('instants are those of the slow calendar, in pieces or at once', () => {
  const instants = new ExpectedInstants(DEFINITION, BEGIN_MS);
  const found: number[] = [];
  for (let next = instants.next(planned(3_000)); next !== undefined; next = instants.next(planned(3_000))) {
    found.push(next);
    instants.take();
  }
  expect(found).toEqual(instantsBetween(DEFINITION, BEGIN_MS + 1, planned(3_000)));
  expect(found).toHaveLength(300);
});

test('an instant is spread within its bounds', () => {
  const settled = occurrence({ plannedMs: planned(10), fireAtMs: planned(9) }, planned(10));
  const compare = (holds: boolean, words: () => string): void => {
    if (!holds) throw new Error(words());
  };
  const fired = { settled, judgedMs: planned(10), jitterMs: 500, following: undefined, afterMs: 0 };
  expect(() => compareFired(compare, 'it', fired)).toThrow('is spread over 500 ms');
});
