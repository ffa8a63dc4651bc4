import fc from 'fast-check';
import { expect, test } from 'vitest';
import { accountForOccurrences } from '../../chaos/occurrences/account.ts';
import type { Collected, Life, MadeTask, Run, SeenOccurrence } from '../../chaos/occurrences/collected.ts';
import { everyMs, instantsOf, nextInstant, secondsOfMinute } from '../../chaos/occurrences/cycle.ts';
import { KINDS, LONG_KIND } from '../../chaos/occurrences/kinds.ts';
import { LIES } from '../../chaos/occurrences/lies.ts';
import { Calendar } from '../../src/calendar/calendar.ts';
import { parseCalendar } from '../../src/calendar/parse.ts';

/** When all lives of the tests begin: a whole minute. */
const BEGAN_MS = 1_800_000_000_000;
const SECOND = everyMs(1_000);

/** Second `at` of a test. */
function second(at: number): number {
  return BEGAN_MS + at * 1_000;
}

function life(schedule: string, more: Partial<Life> = {}): Life {
  return {
    schedule,
    overlap: 'allow',
    catchUp: 'latest',
    jitterMs: 0,
    maxRuns: 0,
    createdAtMs: BEGAN_MS,
    versions: [
      { version: 1, cycle: SECOND, changedAtMs: BEGAN_MS, endAtMs: null },
      { version: 2, cycle: SECOND, changedAtMs: second(5) + 300, endAtMs: second(9) },
    ],
    end: { how: 'ended', fired: 9, skipped: {} },
    ...more,
  };
}

function task(schedule: string, at: number, more: Partial<MadeTask> = {}): MadeTask {
  return {
    id: `${schedule}-${at}`,
    schedule,
    version: at <= 5 ? 1 : 2,
    plannedMs: second(at),
    kind: 'planned',
    state: 'done',
    createdAtMs: second(at) + 4,
    finishedAtMs: second(at) + 100,
    ...more,
  };
}

function skip(schedule: string, at: number, skipped: string): SeenOccurrence {
  const { version, plannedMs, kind, createdAtMs: settledAtMs } = task(schedule, at);
  return { schedule, createdAtMs: BEGAN_MS, version, plannedMs, kind, settledAtMs, task: null, skipped };
}

function run({ schedule, id, createdAtMs, finishedAtMs }: MadeTask, token: number): Run {
  const [beganUs, endedUs] = [createdAtMs * 1_000, (finishedAtMs ?? 0) * 1_000];
  return { schedule, task: id, token, beganUs, endedUs, beganWallMs: createdAtMs };
}

/** Nine seconds of four schedules, as a cluster that keeps its promise leaves them. */
function whole(): Collected {
  const free = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((at) => task('free', at));
  const long = { finishedAtMs: second(3) + 500 };
  const strict = [task('strict', 1), task('strict', 2, long), ...[4, 5, 6, 7, 8, 9].map((at) => task('strict', at))];
  const gone = [1, 2, 3].map((at) => task('gone', at));
  const paused = [1, 2, 7, 8, 9].map((at) => task('paused', at));
  const trigger = task('free', 4, { id: 'free-triggered', kind: 'trigger', plannedMs: second(4) + 17 });
  return {
    lives: [
      life('free'),
      life('strict', { overlap: 'skip', end: { how: 'ended', fired: 8, skipped: { overlap: 1 } } }),
      life('gone', {
        versions: [{ version: 1, cycle: SECOND, changedAtMs: BEGAN_MS, endAtMs: null }],
        end: { how: 'deleted', settledThroughMs: second(2), deletedByMs: second(3) + 500 },
      }),
      life('paused', { end: { how: 'ended', fired: 5, skipped: { paused: 4 } } }),
    ],
    tasks: [...free, ...strict, ...gone, ...paused, trigger],
    seen: [
      skip('strict', 3, 'overlap'),
      // One of the four went by between two looks.
      ...[3, 4, 5].map((at) => skip('paused', at, 'paused')),
    ],
    runs: [...free, ...strict].map(run),
    triggers: [{ schedule: 'free', request: 'r1', task: 'free-triggered' }],
    pauses: [{ schedule: 'paused', spanMs: [second(2) + 100, second(2) + 900, second(6) + 100, second(6) + 900] }],
  };
}

test('what a cluster that keeps its promise leaves is all accounted for', () => {
  expect(accountForOccurrences(whole())).toEqual({
    schedules: 4,
    versions: 7,
    planned: 29,
    withTask: 24,
    skipped: { overlap: 1, paused: 4 },
    skippedUnseen: 1,
    triggered: 1,
    runs: 17,
    problems: [],
  });
});

test.each(LIES)('$name is refused', (lie) => {
  const copy = lie.tell(whole());
  expect(copy).toBeDefined();
  expect(accountForOccurrences(copy ?? whole()).problems).not.toEqual([]);
});

test('a change may begin anywhere behind what was settled, and loses nothing', () => {
  const versions = [
    { version: 1, cycle: everyMs(2_000), changedAtMs: BEGAN_MS, endAtMs: null },
    { version: 2, cycle: everyMs(3_000), changedAtMs: second(5), endAtMs: second(9) },
  ];
  const of = (ats: readonly [at: number, version: number][]): readonly string[] => {
    const tasks = ats.map(([at, version]) => task('changed', at, { version }));
    const lives = [life('changed', { versions, end: { how: 'ended', fired: tasks.length, skipped: {} } })];
    return accountForOccurrences({ ...whole(), lives, tasks, seen: [], runs: [], triggers: [], pauses: [] }).problems;
  };
  expect(
    of([
      [2, 1],
      [4, 1],
      [6, 2],
      [9, 2],
    ]),
  ).toEqual([]);
  // The leader was gone before it knew the instant of second 4, which the new version does not name.
  expect(
    of([
      [2, 1],
      [6, 2],
      [9, 2],
    ]),
  ).toEqual([]);
  expect(
    of([
      [2, 1],
      [3, 2],
      [6, 2],
      [9, 2],
    ]),
  ).toEqual([]);
  expect(
    of([
      [4, 1],
      [6, 2],
      [9, 2],
    ]),
  ).not.toEqual([]);
  expect(
    of([
      [2, 1],
      [4, 1],
      [9, 2],
    ]),
  ).not.toEqual([]);
  expect(
    of([
      [2, 1],
      [3, 2],
      [4, 1],
      [6, 2],
      [9, 2],
    ]),
  ).not.toEqual([]);
  expect(
    of([
      [2, 1],
      [4, 1],
      [6, 1],
      [6, 2],
      [9, 2],
    ]),
  ).not.toEqual([]);
});

test('what the cluster counts has to be what there is', () => {
  const collected = whole();
  const [first, ...others] = collected.lives;
  if (first === undefined) throw new Error('there is one');
  const miscounted = { ...first, end: { how: 'ended' as const, fired: 10, skipped: {} } };
  expect(accountForOccurrences({ ...collected, lives: [miscounted, ...others] }).problems).toEqual([
    'free: the cluster counts 10 tasks by plan, and there are 9',
  ]);
});

test.each([
  ['a skip as missed of one that was not', skip('free', 4, 'missed'), /missed, and was not/],
  ['a skip for an overlap that is allowed', skip('free', 4, 'overlap'), /overlap that is allowed/],
  ['a skip for a pause that was not', skip('free', 4, 'paused'), /nobody had paused it/],
  ['a skip with a reason that must not be', skip('free', 4, 'taskLimit'), /no reason/],
  ['an occurrence before its instant', { ...skip('free', 4, 'paused'), settledAtMs: second(3) }, /before it was due/],
] as const)('%s is a problem', (_, one, words) => {
  const collected = whole();
  expect(accountForOccurrences({ ...collected, seen: [...collected.seen, one] }).problems.join('\n')).toMatch(words);
});

test('a skip for a task that had ended is a problem, and so is a task made while all was paused', () => {
  const collected = whole();
  const early = collected.tasks.map((one) => (one.id === 'strict-2' ? { ...one, finishedAtMs: second(2) + 9 } : one));
  expect(accountForOccurrences({ ...collected, tasks: early }).problems.join('\n')).toMatch(/task that was not there/);
  const late = [...collected.tasks, task('paused', 6)];
  expect(accountForOccurrences({ ...collected, tasks: late }).problems.join('\n')).toMatch(/was paused, and made/);
});

test('attempts of one task that ran at the same time are two that may not', () => {
  const collected = whole();
  const first = collected.runs.find((one) => one.task === 'strict-2');
  if (first === undefined) throw new Error('it ran');
  const runs = [...collected.runs, { ...first, token: 999, beganUs: first.endedUs - 1, endedUs: first.endedUs + 1 }];
  expect(accountForOccurrences({ ...collected, runs }).problems).toEqual([
    `strict lets no two run: attempt ${first.token} of strict-2 and attempt 999 of strict-2 did`,
  ]);
});

test('cycles name what a walk over every millisecond finds', () => {
  const period = fc.integer({ min: 1, max: 40 });
  const cycles = period.chain((periodMs) =>
    fc.record({
      periodMs: fc.constant(periodMs),
      offsetsMs: fc
        .uniqueArray(fc.integer({ min: 0, max: periodMs - 1 }), { minLength: 1, maxLength: 5 })
        .map((offsets) => offsets.sort((left, right) => left - right)),
    }),
  );
  const afterMs = fc.integer({ min: 0, max: 200 });
  fc.assert(
    fc.property(cycles, afterMs, fc.integer({ min: 0, max: 200 }), (cycle, fromMs, lengthMs) => {
      const walked: number[] = [];
      for (let ms = fromMs + 1; ms <= fromMs + lengthMs; ms += 1)
        if (cycle.offsetsMs.includes(ms % cycle.periodMs)) walked.push(ms);
      expect(instantsOf(cycle, fromMs, fromMs + lengthMs)).toEqual(walked);
      expect(cycle.offsetsMs).toContain(nextInstant(cycle, fromMs) % cycle.periodMs);
    }),
  );
});

test('the minute of a pattern of seconds', () => {
  const cycle = secondsOfMinute((at) => at % 20 === 7);
  expect(instantsOf(cycle, BEGAN_MS, BEGAN_MS + 70_000).map((ms) => ms - BEGAN_MS)).toEqual([
    7_000, 27_000, 47_000, 67_000,
  ]);
});

test.each([...KINDS, LONG_KIND].flatMap(({ id, whens }) => whens.map((when, at) => ({ id, at, when }))))(
  'the arithmetic of $id says in way $at what is put',
  ({ id, when: { fields, cycle } }) => {
    const calendar = new Calendar(parseCalendar(JSON.parse(JSON.stringify(fields))), id);
    const { occurrences } = calendar.next(BEGAN_MS + 123, 60);
    const last = occurrences.at(-1)?.plannedMs ?? 0;
    expect(occurrences.map((one) => one.plannedMs)).toEqual(instantsOf(cycle, BEGAN_MS + 123, last));
    expect(occurrences).toHaveLength(60);
  },
);
