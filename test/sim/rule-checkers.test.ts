import { describe, expect, test } from 'vitest';
import { CancelOther } from '../../sim/checkers/cancel-other.ts';
import { DispatchOrder } from '../../sim/checkers/dispatch-order.ts';
import { DurableVote } from '../../sim/checkers/durable-vote.ts';
import { HeldSlots } from '../../sim/checkers/held-slots.ts';
import { LogTimeRuns } from '../../sim/checkers/log-time.ts';
import { OwedLeases } from '../../sim/checkers/owed-leases.ts';
import { Promotion } from '../../sim/checkers/promotion.ts';
import { RetryRule } from '../../sim/checkers/retry-rule.ts';
import { SpaceKept } from '../../sim/checkers/space-kept.ts';
import { VoteUpToDate } from '../../sim/checkers/vote-up-to-date.ts';
import type { WitnessedEntry } from '../../sim/checkers/checker.ts';
import type { ConfigurationBook } from '../../sim/configuration-book.ts';
import type { TaskStory, Witness } from '../../sim/witness.ts';
import { ByteWriter } from '../../src/base/bytes.ts';
import type { Message } from '../../src/raft/message.ts';
import { EntryKind, type Entry } from '../../src/raft/types.ts';
import { BatchWriter, encodeCommand } from '../../src/scheduler/batch.ts';
import type { Command, Outcome } from '../../src/scheduler/command.ts';
import type { Abort, ApplyOutcome, Reply } from '../../src/scheduler/outcome.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { FakeCluster, type FakePeer, unchanged } from './support/views.ts';

/** A worker that could run whatever it is given. */
const WITH_ROOM = {
  state: 'online',
  namespace: 'default',
  types: ['plain', 'other'],
  labels: [],
  slots: 2,
  running: 1,
  lingering: 0,
};

const BLOB = { encoding: 1, bytes: new Uint8Array(0) } as const;

/** Checkers that compute what a rule says, from what was asked for. */
describe('a checker stops', () => {
  test('a vote for a log that ends before what the voter once acknowledged', () => {
    const { p1, p2, view } = new FakeCluster();
    const checker = new VoteUpToDate(view);
    p1.holds(1, 1, 2);
    p2.holds(1, 1, 2, 2);
    checker.sent(p1.view, standing(3, 3, 2));
    expect(() => checker.sent(p2.view, granted(3))).toThrow(
      'p2 votes for p1 in term 3 by a log that ends with 3/t2, and has acknowledged entries up to 4/t2',
    );
    p2.holds(1, 1, 2);
    checker.sent(p2.view, granted(3));
    p2.durable.rememberedEnd = { index: 4, term: 2 };
    expect(() => checker.sent(p2.view, granted(3))).toThrow('up to 4/t2');
  });

  test('a candidate that lost entries which it had acknowledged, and stands without them', () => {
    const { p1, view } = new FakeCluster();
    const checker = new VoteUpToDate(view);
    p1.holds(1, 1);
    p1.durable.rememberedEnd = { index: 3, term: 1 };
    expect(() => checker.sent(p1.view, standing(2, 2, 1))).toThrow('p1 stands for term 2');
  });

  test('a peer that would vote for a log without what it has acknowledged, when it starts and while it is damaged', () => {
    const { p1, view } = new FakeCluster();
    const checker = new VoteUpToDate(view);
    p1.holds(1, 1, 2);
    p1.commitIndex = 3;
    checker.moved(p1.view, unchanged(p1));
    checker.restarted(p1.view);
    p1.upToDate = (index) => index >= 2;
    expect(() => checker.restarted(p1.view)).toThrow('p1 would vote for a log that lacks 3/t2');
    p1.durable.rememberedEnd = { index: 3, term: 2 };
    checker.moved(p1.view, unchanged(p1));
    p1.damage = { lastIndex: 2, lastTerm: 1 };
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('p1 would vote for a log that lacks 3/t2');
    // The leader of a later term has cut some of it.
    p1.durable.truncated = 1;
    checker.moved(p1.view, unchanged(p1));
  });

  test('a vote of which somebody was told, and that a start has forgotten', () => {
    const { p1, view } = new FakeCluster();
    const checker = new DurableVote(view);
    const grant = granted(3);
    p1.durable.term = 3;
    p1.durable.votedFor = grant.to;
    checker.sent(p1.view, grant);
    p1.term = 3;
    p1.votedFor = grant.to;
    checker.restarted(p1.view);
    p1.votedFor = undefined;
    expect(() => checker.restarted(p1.view)).toThrow('and has told p1 that it has its vote in term 3');
    p1.term = 4;
    checker.restarted(p1.view);
  });

  test('no vote that leaves together with entries of the term that was voted for', () => {
    const { p1, p2, view } = new FakeCluster();
    const checker = new VoteUpToDate(view);
    p1.holds(1);
    checker.sent(p1.view, standing(2, 1, 1));
    p2.holds(1, 2, 2);
    checker.sent(p2.view, granted(2));
    expect(checker.comparisons).toBe(1);
  });

  test('an attempt more than was asked for, and one less', () => {
    const { checker, witness, ends } = retries();
    checker.witnessed(entry(1, { commands: [submitted(2)], replies: [SUBMITTED] }));
    checker.witnessed(entry(2, failed(1)));
    expect(() => checker.witnessed(entry(3, failed(1)))).toThrow('task 1 has failed 2 times of 2 at 3, and goes on');
    ends.set(1, 'error');
    const { checker: other } = retries(witness);
    other.witnessed(entry(1, { commands: [submitted(2)], replies: [SUBMITTED] }));
    expect(() => other.witnessed(entry(2, { ...failed(1), finished: [1] }))).toThrow('after 1 of 2 attempts');
  });

  test('a task of a schedule that is tried less often than its version says, where it is told which one that is', () => {
    const { checker, ends } = retries();
    for (const number of [1, 2]) ends.set(number, 'error');
    checker.witnessed(entry(1, asking(1, 1)));
    checker.witnessed(entry(2, { ...asking(2, 2), made: [1] }));
    checker.witnessed(entry(3, { ...failed(1), finished: [1] }));
    // It waited, and starts as the newest version says.
    checker.witnessed(entry(4, { made: [2] }));
    expect(() => checker.witnessed(entry(5, { ...failed(2), finished: [2] }))).toThrow('after 1 of 2 attempts');
  });

  test('an attempt before the wait is over, which doubles', () => {
    const { checker } = retries();
    checker.witnessed(entry(1, { commands: [submitted(5)], replies: [SUBMITTED] }));
    checker.witnessed(entry(2, { ...failed(1), atMs: 1_000 }));
    checker.witnessed(entry(3, { assigned: [1], atMs: 1_080 }));
    checker.witnessed(entry(4, { aborts: [abort('timeout')], atMs: 2_000 }));
    expect(() => checker.witnessed(entry(5, { assigned: [1], atMs: 2_159 }))).toThrow('and waits until 2160');
  });

  test('a task that goes on though its cancel was asked for', () => {
    const { checker } = retries();
    checker.witnessed(entry(1, { commands: [submitted(5)], replies: [SUBMITTED] }));
    checker.witnessed(entry(2, { aborts: [abort('cancelled')] }));
    expect(() => checker.witnessed(entry(3, failed(1)))).toThrow('task 1 was to be cancelled and goes on at 3');
  });

  test('a start while a handler that was told to stop may go on', () => {
    const checker = new HeldSlots(new FakeCluster().view, 2_000);
    checker.witnessed(entry(1, { ...putting('skip'), made: [1] }));
    checker.witnessed(entry(2, { aborts: [abort('timeout')], finished: [1], atMs: 5_000 }));
    expect(() => checker.witnessed(entry(3, { made: [2], atMs: 6_999 }))).toThrow('has until 7000 to return');
    checker.witnessed(entry(4, { made: [3], atMs: 7_000 }));
    checker.witnessed(entry(5, { ...putting('allow'), aborts: [{ ...abort('drain'), number: 3 }], atMs: 8_000 }));
    checker.witnessed(entry(6, { made: [4], atMs: 8_001 }));
  });

  test('a worker that is given up, and an attempt that is timed out, before a new leader has waited a lease', () => {
    const checker = new OwedLeases(new FakeCluster().view, 2_000);
    const lost = { type: 'workerLost', worker: 'w1', instance: 'a', capsFreeAtMs: 0 } as const;
    const begun = { type: 'termStarted', term: 2 } as const;
    const replies: Reply[] = [{ type: 'ok' }];
    checker.witnessed(entry(1, { commands: [begun], replies, atMs: 5_000 }));
    expect(() => checker.witnessed(entry(2, { commands: [lost], replies, atMs: 6_999 }))).toThrow('until 7000');
    expect(() => checker.witnessed(entry(3, { aborts: [abort('timeout')], atMs: 6_999 }))).toThrow('is timed out at 3');
    checker.witnessed(entry(4, { commands: [lost], replies, atMs: 7_000 }));
    checker.witnessed(entry(5, { commands: [begun], replies, atMs: 8_000 }));
    checker.witnessed(entry(6, { commands: [lost], replies, atMs: 8_001 }));
  });

  test('a task that is placed before one of its kind that goes first', () => {
    const checker = new DispatchOrder(new FakeCluster().view);
    const views = new Map([
      [1, shown({ number: 1, namespace: 'default', priority: 3, state: 'pending', history: [{ atMs: 500 }] })],
      [2, shown({ number: 2, priority: 5, state: 'running' })],
      [3, shown({ number: 3, priority: 5, state: 'running', type: 'other' })],
    ]);
    const full = { ...WITH_ROOM, running: 2 };
    let workers = [full, { ...WITH_ROOM, state: 'draining' }, { ...WITH_ROOM, types: ['other'] }];
    const scheduler = { task: (number: number) => views.get(number), allWorkers: () => workers };
    const placing = (index: number, number: number): WitnessedEntry => entry(index, { assigned: [number], scheduler });
    checker.witnessed(entry(1, { commands: [submitted(1)], replies: [{ ...SUBMITTED, created: 3 }] }));
    for (let index = 2; index <= 8; index += 1) checker.witnessed(placing(index, 2));
    expect(() => checker.witnessed(placing(9, 2))).toThrow(
      'task 2 of priority 5 is placed at 9, and task 1 of priority 3',
    );
    for (let index = 10; index <= 24; index += 1) checker.witnessed(placing(index, 3));
    workers = [full, WITH_ROOM];
    expect(() => checker.witnessed(placing(25, 3))).toThrow('task 1 of priority 3 waits on, for which there is room');
  });

  test('a task that goes on though another one of its schedule waits for it to be cancelled', () => {
    const checker = new CancelOther(new FakeCluster().view);
    const buffered = [{ version: 1, plannedMs: 2_000, kind: 'planned' }];
    const task = { number: 1, createdAtMs: 1_000, state: 'running', cancelling: true };
    const scheduler = { task: () => task, schedule: () => ({ number: 7, version: 1, buffered }), openCursors: false };
    checker.witnessed(entry(1, { ...putting('cancelOther'), made: [1], scheduler }));
    for (let index = 2; index <= 20; index += 1) checker.witnessed(entry(index, { scheduler }));
    task.cancelling = false;
    expect(() => checker.witnessed(entry(21, { scheduler })) ?? checker.witnessed(entry(22, { scheduler }))).toThrow(
      'task 1 of s is running',
    );
    // What an entry leaves over is done by a later one, soon.
    scheduler.openCursors = true;
    buffered[0] = { version: 1, plannedMs: 3_000, kind: 'planned' };
    for (let index = 23; index <= 30; index += 1) checker.witnessed(entry(index, { scheduler }));
    expect(() => checker.witnessed(entry(31, { scheduler })) ?? checker.witnessed(entry(32, { scheduler }))).toThrow(
      'task 1 of s is running',
    );
  });

  test('a vote for a learner that lacks its own addition', () => {
    const { p1, p2, view } = new FakeCluster();
    const founders = { index: 0, voters: ['p1'], learners: [] };
    const added = { index: 2, voters: ['p1'], learners: ['p2'] };
    const promoted = { index: 3, voters: ['p1', 'p2'], learners: [] };
    const seen = [promoted, added, founders];
    const book = { newest: (_: unknown, before: number) => seen.find(({ index }) => index < before) };
    const checker = new Promotion(view, book as unknown as ConfigurationBook);
    p1.holds(1, 1, 1).lead(1);
    p2.holds(1, 1);
    checker.moved(p1.view, { cutFrom: 3, oldLast: 2, newLast: 3 });
    p1.holds(1, 1, 1, 2).lead(2);
    promoted.index = 4;
    p2.holds(1);
    const change = { cutFrom: 4, oldLast: 3, newLast: 4 };
    expect(() => checker.moved(p1.view, change)).toThrow('p1 gives p2 a vote at 4, whose disk ends at 1');
  });

  test('a submission that a full disk takes, and a report for which it has no room', () => {
    const { p1, view } = new FakeCluster();
    const clock = { ...view, nowUs: 0 };
    const checker = new SpaceKept(clock, { isLow: () => true, pollMs: 1_000 });
    p1.lead(1);
    p1.log.entries = [stamped(1_000, { type: 'submit', ...NO_TASKS })];
    const change = { cutFrom: 1, oldLast: 0, newLast: 1 };
    checker.moved(p1.view, change);
    clock.nowUs = 4_900_000;
    checker.moved(p1.view, change);
    clock.nowUs = 5_000_000;
    expect(() => checker.moved(p1.view, change)).toThrow('p1 takes a submission at 1');
    checker.refused(p1.view, bytesOf({ type: 'submit', ...NO_TASKS }));
    expect(() => checker.refused(p1.view, bytesOf({ type: 'tick' }))).toThrow('no room for a command of type tick');
  });

  test('log time that goes on faster than time, that begins a term behind what was heard, and that is wrong', () => {
    const { p1, checker, time, stamp } = timed(0);
    stamp(100_000);
    time.nowMs = 110_000;
    stamp(113_499);
    expect(() => stamp(113_501)).toThrow('p1 lets log time go on by 13501 ms in 10000 ms of term 1');
    p1.lead(2);
    expect(() => stamp(105_000)).toThrow('p1 begins term 2 at 105000, and it should be from 113499 to 113499');
    p1.start = 2;
    expect(() => stamp(90_000)).toThrow('from 110000 to 110000, by the wall clocks');
    time.offsMs = [-600, -20_000, -20_000];
    stamp(90_000);
    expect(checker.comparisons).toBeGreaterThan(6);
  });

  test('a term that begins where a single wrong clock is, and log time that is wrong though no clock is', () => {
    const { p1, time, stamp } = timed(0, 0, 60_000);
    expect(() => stamp(160_000)).toThrow('p1 begins term 1 at 160000, and it should be from 100000 to 130000');
    time.offsMs = [0, 0, 0];
    const right = timed(0, 0, 0);
    right.stamp(100_000);
    for (let step = 1; step <= 4; step += 1) {
      right.time.nowMs += 60_000;
      if (step === 4) expect(() => right.stamp(100_000 + step * 57_000)).toThrow('ms off, and all clocks are right');
      else right.stamp(100_000 + step * 57_500);
    }
    expect(p1.term).toBe(1);
  });

  test('no term that begins where clocks were when they were heard, though one has jumped since', () => {
    const { p1, checker, time, stamp } = timed(60_000, 60_000, 0);
    checker.restarted(p1.view);
    time.offsMs = [0, 60_000, 0];
    stamp(160_000);
    expect(checker.comparisons).toBe(1);
  });

  /** A leader whose log grows by one stamp at a time. */
  function timed(...offsMs: number[]): {
    p1: FakePeer;
    checker: LogTimeRuns;
    time: { nowMs: number; offsMs: number[] };
    stamp: (ms: number) => void;
  } {
    const { p1, view } = new FakeCluster();
    const time = { nowMs: 100_000, offsMs };
    const clocks = { nowMs: (): number => time.nowMs, offsMs: (): number[] => time.offsMs, ratePerThousand: 0 };
    const checker = new LogTimeRuns(view, clocks);
    p1.lead(1);
    const stamp = (ms: number): void => {
      p1.log.entries = [stamped(ms)];
      checker.moved(p1.view, { cutFrom: 1, oldLast: 0, newLast: 1 });
    };
    return { p1, checker, time, stamp };
  }

  function stamped(ms: number, ...commands: Command[]): (term: number) => Entry {
    const writer = new BatchWriter();
    writer.begin();
    for (const command of commands) writer.add(bytesOf(command), 1);
    const data = writer.finish(ms);
    return (term) => ({ index: 1, term, kind: EntryKind.command, data });
  }
});

const NO_TASKS = { session: 's', sequence: 1, answeredBelow: 1, namespace: 'default', templates: [], tasks: [] };

function bytesOf(command: Command): Uint8Array {
  const writer = new ByteWriter(64);
  encodeCommand(writer, 'anonymous', command);
  return writer.take();
}

function shown(fields: object): object {
  return { type: 'plain', requires: [], crashes: 0, history: [], ...fields };
}

function standing(term: number, lastLogIndex: number, lastLogTerm: number): Message {
  return { type: 'vote-request', from: 'p1', to: 'p2', term, lastLogIndex, lastLogTerm } as unknown as Message;
}

function granted(term: number): Message {
  return { type: 'vote-response', from: 'p2', to: 'p1', term, granted: true } as unknown as Message;
}

const SUBMITTED: Extract<Reply, { type: 'submitted' }> = {
  type: 'submitted',
  firstNumber: 1,
  created: 1,
  existing: [],
  repeated: false,
};

/** Of a task that waits 100 ms after its first failure. */
function submitted(maxAttempts: number): Command {
  const template = { retry: { maxAttempts, initialMs: 100, maxMs: 1_000 } };
  return { type: 'submit', templates: [template], tasks: [{ template: 0, payload: BLOB }] } as unknown as Command;
}

function failed(number: number): Pick<EntryParts, 'commands' | 'replies'> {
  const outcome: Outcome = { type: 'failed', error: BLOB, nonRetryable: false };
  const command: Command = { type: 'complete', worker: 'w1', completions: [{ number, fencingToken: 1, outcome }] };
  return { commands: [command], replies: [{ type: 'completed', answers: ['ok'] }] };
}

function putting(overlap: string): Pick<EntryParts, 'commands' | 'replies'> {
  const command = { type: 'putSchedule', schedule: 's', policy: { overlap } } as unknown as Command;
  return {
    commands: [command],
    replies: [{ type: 'schedulePut', number: 7, version: 1, created: true, unchanged: false }],
  };
}

/** Schedule 7 has another version, whose tasks are tried so often. */
function asking(version: number, maxAttempts: number): Pick<EntryParts, 'commands' | 'replies'> {
  const template = { retry: { maxAttempts, initialMs: 100, maxMs: 1_000 } };
  const command = { type: 'putSchedule', schedule: 's', task: { template } } as unknown as Command;
  return {
    commands: [command],
    replies: [{ type: 'schedulePut', number: 7, version, created: version === 1, unchanged: false }],
  };
}

function abort(reason: Abort['reason']): Abort {
  return { worker: 'w1', number: 1, fencingToken: 1, reason };
}

interface EntryParts {
  readonly commands?: readonly Command[];
  readonly replies?: readonly Reply[];
  readonly assigned?: readonly number[];
  readonly finished?: readonly number[];
  readonly aborts?: readonly Abort[];
  /** Tasks that schedule 7 makes, by occurrences of its first version. */
  readonly made?: readonly number[];
  readonly atMs?: number;
  readonly scheduler?: object;
}

function entry(index: number, parts: EntryParts): WitnessedEntry {
  const { commands = [], replies = [], assigned = [], finished = [], aborts = [], made = [], atMs = 1_000 } = parts;
  const occurrences = made.map((task) => ({ schedule: 7, task, version: 1 }));
  return {
    index,
    logTimeMs: atMs,
    commands: commands.map((command) => ({ principal: 'anonymous', command })),
    outcome: { replies, assigned, finished, aborts, occurrences } as unknown as ApplyOutcome,
    scheduler: (parts.scheduler ?? {}) as unknown as Scheduler,
  };
}

function retries(given?: Witness): { checker: RetryRule; witness: Witness; ends: Map<number, string> } {
  const ends = new Map<number, string>();
  const stories = {
    get: (number: number): Partial<TaskStory> => {
      const reason = ends.get(number);
      return { end: { state: 'failed', reason, index: 1, token: undefined, result: undefined } };
    },
  };
  const witness = given ?? ({ stories } as unknown as Witness);
  return { checker: new RetryRule(new FakeCluster().view, witness), witness, ends };
}
