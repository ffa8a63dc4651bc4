import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { EntryKind } from '../../src/raft/types.ts';
import { ByteWriter } from '../../src/base/bytes.ts';
import { encodeValue } from '../../src/protocol/codec.ts';
import { BatchWriter, encodeCommand } from '../../src/scheduler/batch.ts';
import type { Command } from '../../src/scheduler/command.ts';
import { type SchedulerLimits, TASK_DEFAULTS } from '../../src/scheduler/limits.ts';
import { Occurrences } from '../../sim/checkers/occurrences.ts';
import type { WitnessedEntry } from '../../sim/checkers/checker.ts';
import { SingleRun } from '../../sim/checkers/single-run.ts';
import { ScheduleBook } from '../../sim/schedules/book.ts';
import type { Plan } from '../../sim/schedules/plan.ts';
import { Witness } from '../../sim/witness.ts';
import { FakeCluster } from './support/views.ts';

/** 2026-01-01T00:00Z. */
const BEGIN_MS = 1_767_225_600_000;

const PLAN: Plan = {
  mark: 'm',
  spec: { id: 's', every: 10_000, task: { type: 't' } },
  definition: {
    specs: [{ everyMs: 10_000, phaseMs: 0 }],
    exclude: [],
    timeZone: 'UTC',
    dayMatch: 'or',
    dst: { gap: 'after', overlap: 'first' },
    jitterMs: 0,
  },
  policy: { overlap: 'skip', catchUp: 'latest', catchUpWindowMs: 86_400_000, maxRuns: 0, pauseOnFailure: 0 },
  paused: false,
  mayNeverFire: false,
};

const PUT: Command = {
  type: 'putSchedule',
  namespace: 'default',
  schedule: 's',
  expectedVersion: -1,
  calendar: new Uint8Array([1]),
  task: { template: { ...TASK_DEFAULTS, type: 't' }, payload: { encoding: 1, bytes: encodeValue({ put: 'm' }) } },
  policy: PLAN.policy,
  paused: false,
};

/** A schedule of every ten seconds on the real state machine, with the checker beside it. */
function beside(
  plans: readonly Plan[] = [PLAN],
  limits: Partial<SchedulerLimits> = {},
): {
  readonly witness: Witness;
  readonly checker: Occurrences;
  /** Applies one entry, `second` seconds after the begin. */
  readonly apply: (second: number, ...commands: readonly Command[]) => void;
} {
  const witness = new Witness(crc32, limits);
  const book = new ScheduleBook();
  for (const plan of plans) book.plans.set(plan.mark, plan);
  const checker = new Occurrences(new FakeCluster().view, book, witness, {});
  let index = 0;
  const apply = (second: number, ...commands: readonly Command[]): void => {
    const batch = new BatchWriter();
    batch.begin();
    for (const command of commands) {
      const writer = new ByteWriter(64);
      encodeCommand(writer, 'tester', command);
      batch.add(writer.take(), 1);
    }
    index += 1;
    const data = batch.finish(BEGIN_MS + second * 1_000);
    const witnessed = witness.apply({ index, term: 1, kind: EntryKind.command, data });
    if (witnessed !== undefined) checker.witnessed(witnessed);
  };
  return { witness, checker, apply };
}

function advance(from: number, through: number, ...seconds: readonly number[]): Command {
  const occurrences = seconds.map((second) => {
    const plannedMs = BEGIN_MS + second * 1_000;
    return { plannedMs, fireAtMs: plannedMs };
  });
  const [fromMs, throughMs] = [BEGIN_MS + from * 1_000, BEGIN_MS + through * 1_000];
  return { type: 'advanceSchedule', number: 1, version: 1, fromMs, occurrences, throughMs, exhausted: false };
}

test('a schedule of the state machine is let pass, and is overdue when nobody gives it instants', () => {
  const { checker, apply, witness } = beside();
  apply(1, PUT);
  apply(2, advance(1, 25, 10, 20));
  apply(10);
  apply(20);
  checker.whole();
  expect(checker.counts).toMatchObject({ occurrencesFired: 1, skippedOverlap: 1 });
  expect(witness.unfinished).toBe(1);
  expect(checker.overdue(BEGIN_MS + 29_000)).toBeUndefined();
  expect(checker.overdue(BEGIN_MS + 40_000)).toMatch('00:00:30.000 is neither a task nor skipped');
});

test('an instant that a leader left out is missed as soon as it is said to be known', () => {
  const { apply } = beside();
  apply(1, PUT);
  expect(() => apply(2, advance(1, 35, 10, 30))).toThrow('the calendar says 00:00:20.000');
});

test('an instant that no calendar names is refused', () => {
  const { apply } = beside();
  apply(1, PUT);
  expect(() => apply(2, advance(1, 25, 10, 15))).toThrow('has 00:00:15.000 ahead');
});

test('a schedule that nobody asked for is refused', () => {
  const { apply } = beside([]);
  expect(() => apply(1, PUT)).toThrow('nobody asked for');
});

test('a leader that settles something else than all others is found', () => {
  const { checker, apply } = beside();
  apply(1, PUT);
  apply(2, advance(1, 25, 10, 20));
  apply(10);
  const settled = { schedule: 1, namespace: 'default', id: 's', version: 1, plannedMs: BEGIN_MS, fireAtMs: BEGIN_MS };
  checker.ledBy('p2', 3, [{ ...settled, kind: 'planned', skipped: 'missed', lateMs: 0 }]);
  expect(() => checker.whole()).toThrow('p2 settles');
});

test('a trigger that is executed again while its schedule should remember it is found', () => {
  const trigger = (request: string): Command => ({
    type: 'triggerSchedule',
    namespace: 'default',
    schedule: 's',
    request,
  });
  // The state machine remembers one request, the checker is told of sixteen.
  const { apply } = beside([PLAN], { scheduleRequestsMax: 1 });
  apply(1, PUT);
  apply(2, trigger('a'), trigger('a'), trigger('b'));
  expect(() => apply(3, trigger('a'))).toThrow('triggerSchedule a of s is executed twice');
});

test('an acknowledged put that is not in the log is found', () => {
  const { witness } = beside();
  const book = new ScheduleBook();
  const checker = new Occurrences(new FakeCluster().view, book, witness, {});
  book.puts.push({ schedule: 's', mark: 'm', version: 1 });
  expect(() => checker.whole()).toThrow('m was acknowledged as version 1 of s, which nobody committed');
});

test('a task that must run alone is not begun again while a lost worker runs it', () => {
  const witness = { scheduler: { worker: () => ({ lost: true }) } } as unknown as Witness;
  const checker = new SingleRun(new FakeCluster().view, witness, {
    isSingle: () => true,
    clockRatePerThousand: 0,
    leaseMs: 1_000,
  });
  let isLive = true;
  checker.began({ number: 7, token: 1, host: 'w1', isLive: () => isLive });
  expect(() => checker.began({ number: 7, token: 2, host: 'w2', isLive: () => true })).toThrow('still runs it');
  isLive = false;
  expect(() => checker.began({ number: 7, token: 2, host: 'w2', isLive: () => true })).not.toThrow();
});

test('whatever a lost worker ran has stopped once its slots are free', () => {
  const witness = { scheduler: { worker: () => ({ lost: true }) } } as unknown as Witness;
  const view = { ...new FakeCluster().view, nowUs: 1_000_000 };
  const checker = new SingleRun(view, witness, {
    isSingle: () => false,
    clockRatePerThousand: 20,
    leaseMs: 1_000,
  });
  checker.began({ number: 7, token: 1, host: 'w1', isLive: () => true });
  const scheduler = { logTimeMs: 5_000 };
  const lost = { command: { type: 'workerLost', worker: 'w1', instance: 'a', capsFreeAtMs: 5_400 } };
  const passed = (atUs: number, commands: readonly unknown[] = []): void => {
    view.nowUs = atUs;
    const outcome = { replies: [{ type: 'ok' }], assigned: [] };
    checker.witnessed({ commands, outcome, scheduler, index: 1, logTimeMs: 5_000 } as unknown as WitnessedEntry);
  };
  passed(2_000_000, [lost]);
  passed(2_390_000);
  passed(2_401_000);
  expect(() => passed(2_450_000)).toThrow('w1 is lost and its slots are free, and it still runs task 7');
});
