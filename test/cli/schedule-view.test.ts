import path from 'node:path';
import { expect, test } from 'vitest';
import { nextTable, scheduleTable, scheduleText } from '../../src/cli/schedule-view.ts';
import { Calendar } from '../../src/calendar/calendar.ts';
import { parseCalendar } from '../../src/calendar/definition.ts';
import type { ScheduleRun } from '../../src/cli/schedule-runs.ts';
import type { NextOccurrences, ScheduleDetail } from '../../src/index.ts';

const NIGHTLY: ScheduleDetail = {
  id: 'nightly',
  version: 3,
  state: 'active',
  calendar: { specs: [{ cron: '30 1 * * *' }, { every: 5_400_000, phase: 0 }], timeZone: 'Europe/London' },
  task: {
    type: 'report',
    queue: 'reports',
    priority: 5,
    requires: { zone: 'a' },
    retry: undefined,
    timeouts: undefined,
    retention: undefined,
  },
  overlap: 'bufferOne',
  catchUp: 'latest',
  catchUpWindowMs: 86_400_000,
  maxRuns: 0,
  pauseOnFailure: 3,
  managedBy: 'apply',
  createdAtMs: 1_792_800_000_000,
  changedAtMs: 1_792_800_000_000,
  pauseReason: undefined,
  note: undefined,
  pauseChangedAtMs: 0,
  next: [{ plannedMs: 1_792_888_200_000, fireAtMs: 1_792_888_200_000 }],
  settledThroughMs: 1_792_850_000_000,
  fired: { planned: 40, trigger: 2, backfill: 0 },
  skipped: { overlap: 3, paused: 1 },
  lateness: { lastMs: 12, maxMs: 2_400, sumMs: 4_000 },
  unfinished: 1,
  buffered: 1,
  consecutiveFailures: 0,
  problem: undefined,
  payload: { range: 'day' },
  headers: undefined,
  occurrences: [
    {
      plannedMs: 1_792_801_800_000,
      version: 3,
      kind: 'planned',
      settledAtMs: 1_792_801_800_012,
      taskId: 't10-1-9x',
      skipped: undefined,
      ended: 'done',
    },
    {
      plannedMs: 1_792_807_200_000,
      version: 3,
      kind: 'planned',
      settledAtMs: 1_792_807_200_001,
      taskId: undefined,
      skipped: 'overlap',
      ended: undefined,
    },
    {
      plannedMs: 1_792_809_000_123,
      version: 3,
      kind: 'trigger',
      settledAtMs: 1_792_809_000_123,
      taskId: 't10-1-by',
      skipped: undefined,
      ended: undefined,
    },
  ],
  index: 9,
};

/** What a peer would answer. */
function nextOf(when: object, afterMs: number, count: number): NextOccurrences {
  const definition = parseCalendar(when);
  return {
    timeZone: definition.timeZone,
    occurrences: new Calendar(definition, 'nightly').preview(afterMs, count).map((one) => ({
      plannedMs: one.plannedMs,
      fireAtMs: one.fireAtMs,
      wallClock: one.wall,
      utcOffset: one.utcOffset,
      clockChange: one.clockChange,
    })),
  };
}

test('schedules read well: in a list, one with its last and next occurrences, over changes of the clock', async () => {
  const when = { cron: '30 1 * * *', timeZone: 'Europe/London' };
  const broken = { ...NIGHTLY, id: 'broken', problem: 'The time zone "Mars" is not known to this peer.', next: [] };
  const paused = {
    ...NIGHTLY,
    id: 'paused',
    state: 'paused' as const,
    pauseReason: 'failures',
    note: 'the \u001b[2Jdisk',
    fired: { planned: 0, trigger: 0, backfill: 0 },
    skipped: {},
    calendar: { specs: [{ at: 1_792_801_800_000 }], timeZone: 'UTC' },
    occurrences: [],
  };
  const [done, skipped, triggered] = NIGHTLY.occurrences.map((one) => ({
    ...one,
    dueMs: undefined,
    lateMs: undefined,
    startedAtMs: undefined,
    state: undefined,
    reason: undefined,
  }));
  const runs: readonly ScheduleRun[] = [
    { ...done!, dueMs: done!.plannedMs, lateMs: 12, startedAtMs: done!.settledAtMs + 40_000 },
    { ...skipped!, dueMs: skipped!.plannedMs, lateMs: 1 },
    triggered!,
  ];
  const text = [
    '# a list',
    scheduleTable([NIGHTLY, broken, paused]),
    '# one, and the clock is put back on 2026-10-25',
    scheduleText(NIGHTLY, runs, nextOf(when, Date.UTC(2026, 9, 22, 12), 10)),
    '# what its task waits for was looked up, and there is jitter',
    scheduleText(
      NIGHTLY,
      [
        { ...runs[2]!, state: 'pending', reason: 'NO_WORKER_MATCHES' },
        { ...runs[0]!, dueMs: runs[0]!.plannedMs + 5 },
      ],
      undefined,
    ),
    '# one that is paused',
    scheduleText(paused, [], undefined),
    '# the clock is put forward on 2027-03-28, and each waits a while',
    nextTable(nextOf({ ...when, jitter: '5m' }, Date.UTC(2027, 2, 26, 12), 4)),
  ].join('\n');
  await expect(text).toMatchFileSnapshot(path.join(import.meta.dirname, 'transcripts', 'schedules.txt'));
});
