/** Random things that happen to a state machine and to its model. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Command, Completion, HeldAttempt, TaskTemplate } from '../../src/scheduler/command.ts';
import { schedulerLimits, type SchedulerLimits } from '../../src/scheduler/limits.ts';
import type { Mark, Scheduler } from '../../src/scheduler/scheduler.ts';
import { Driver, template } from './driver.ts';
import { Model } from './model.ts';
import type { ModelTask, ModelWorker } from './model-parts.ts';

/** Few of everything, so that things meet. */
const SECOND_MS = 1_000;
const TEMPLATES: readonly TaskTemplate[] = [
  template({ priority: 5 }),
  template({ priority: 1, queue: 'urgent' }),
  template({ requires: [['gpu', 'yes']] }),
  template({ type: 'image', queue: 'pictures', retry: { maxAttempts: 2, initialMs: 100, maxMs: 5_000 } }),
  template({ timeouts: { runMs: 4_000, queueMs: 6_000, totalMs: 9_000 }, priority: 7 }),
  template({
    timeouts: { runMs: 0, queueMs: 0, totalMs: 20_000 },
    retention: { doneMs: 1_000_000_000, failedMs: 1_000_000_000, keepPayload: true },
  }),
];

/** By what the draw of a delay is above 7. */
const DELAYS_MS: readonly number[] = [1_500, 2_000, 5_000, 11_000, 40_000, 150_000, 900_000, 3_600_000];

/** One thing that happens, with numbers that are resolved against what is there when it happens. */
export type Happening =
  | {
      readonly type: 'submit';
      readonly tasks: readonly { template: number; text: number; key: number; delay: number }[];
    }
  | { readonly type: 'repeat' }
  | { readonly type: 'complete'; readonly picks: readonly { pick: number; outcome: number; stale: boolean }[] }
  | { readonly type: 'cancel'; readonly pick: number }
  | { readonly type: 'progress'; readonly pick: number; readonly extend: boolean }
  | {
      readonly type: 'attach';
      readonly worker: number;
      readonly instance: number;
      readonly slots: number;
      readonly holds: number;
    }
  | { readonly type: 'worker'; readonly what: number; readonly worker: number }
  | { readonly type: 'term' }
  | { readonly type: 'session' };

function happeningsOf(delay: fc.Arbitrary<number>): fc.Arbitrary<Happening> {
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant('submit' as const),
        tasks: fc.array(fc.record({ template: fc.nat(5), text: fc.nat(1), key: fc.nat(9), delay }), {
          minLength: 1,
          maxLength: 5,
        }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('repeat' as const) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant('complete' as const),
        picks: fc.array(fc.record({ pick: fc.nat(30), outcome: fc.nat(6), stale: fc.boolean() }), {
          minLength: 1,
          maxLength: 4,
        }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('cancel' as const), pick: fc.nat(30) }) },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('progress' as const), pick: fc.nat(30), extend: fc.boolean() }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constant('attach' as const),
        worker: fc.nat(3),
        instance: fc.nat(1),
        slots: fc.nat(4),
        holds: fc.nat(3),
      }),
    },
    { weight: 5, arbitrary: fc.record({ type: fc.constant('worker' as const), what: fc.nat(5), worker: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('term' as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('session' as const) }) },
  );
}

/** What happens in one entry, and how long it takes until the next. */
export interface RandomEntry {
  readonly happenings: readonly Happening[];
  readonly passMs: number;
  readonly mark: boolean;
}

function entriesWith(delay: fc.Arbitrary<number>): fc.Arbitrary<RandomEntry> {
  return fc.record({
    happenings: fc.array(happeningsOf(delay), { minLength: 1, maxLength: 4 }),
    passMs: fc.oneof(fc.nat(300), fc.nat(12 * SECOND_MS), fc.nat(2 * 3600 * SECOND_MS)),
    mark: fc.boolean(),
  });
}

/** Entries in which few tasks have a delay, and a short one. */
export const entry: fc.Arbitrary<RandomEntry> = entriesWith(fc.nat(7));

/** Entries in which many tasks have a delay, some of an hour. */
export const delayedEntry: fc.Arbitrary<RandomEntry> = entriesWith(fc.nat(7 + 2 * DELAYS_MS.length));

/** The real one and the model side by side, and what a client remembers. */
export class Pair {
  readonly driver: Driver;
  readonly model: Model;
  #term = 1;
  #sequence = 0;
  #last: Command | undefined;

  constructor(limits: Partial<SchedulerLimits>) {
    this.driver = new Driver(limits);
    this.model = new Model(schedulerLimits(limits));
    this.apply([
      { type: 'termStarted', term: 1 },
      { type: 'openSession', session: 's' },
    ]);
  }

  /** What a leader proposes by itself: an empty entry for each instant at which something is due, up to now. */
  catchUp(): void {
    const { driver } = this;
    const nowMs = driver.nowMs;
    for (;;) {
      const dueMs = driver.scheduler.nextDueMs();
      if (dueMs === undefined || dueMs > nowMs) break;
      driver.nowMs = Math.max(dueMs, driver.scheduler.logTimeMs);
      this.apply([{ type: 'tick' }]);
    }
    driver.nowMs = nowMs;
  }

  apply(commands: readonly Command[]): void {
    const expected = this.model.apply(this.driver.nowMs, commands);
    const outcome = this.driver.apply(...commands);
    expect(outcome.replies).toEqual(expected);
    expect(outcome.assigned).toEqual(this.model.assigned);
    expect(outcome.aborts).toEqual(this.model.aborts);
    expect(outcome.finished).toEqual(this.model.finished);
  }

  /** A checkpoint, durable at once, that takes no time in the model. */
  checkpoint(): Mark {
    const { driver } = this;
    driver.apply({ type: 'checkpointMark' });
    const mark = driver.drain(3);
    driver.scheduler.checkpointWritten(mark.index);
    this.model.apply(driver.nowMs, []);
    return mark;
  }

  happen(what: Happening): Command {
    switch (what.type) {
      case 'submit':
        this.#sequence += 1;
        this.#last = {
          type: 'submit',
          session: 's',
          sequence: this.#sequence,
          answeredBelow: Math.max(0, this.#sequence - 8),
          namespace: 'default',
          templates: TEMPLATES,
          tasks: what.tasks.map(({ template: at, text, key, delay }) => ({
            template: at,
            payload: { encoding: 3, bytes: new Uint8Array(text * 40).fill(text) },
            ...(key < 3 ? { key: `k${key}` } : {}),
            ...(delay === 1 ? { delayMs: 2_500 } : {}),
            ...(delay === 2 ? { runAtMs: this.driver.nowMs + 700 } : {}),
            ...(delay >= 8 ? { delayMs: DELAYS_MS[(delay - 8) % DELAYS_MS.length]! } : {}),
            ...(delay === 3 ? { headers: { encoding: 2, bytes: new Uint8Array(7) } } : {}),
          })),
        };
        return this.#last;
      case 'repeat':
        return this.#last ?? { type: 'tick' };
      case 'complete':
        return this.#complete(what);
      case 'cancel':
        return { type: 'cancel', namespace: 'default', numbers: [this.#pick(what.pick).number] };
      case 'progress': {
        const { number, token } = this.#pick(what.pick, 'running');
        return what.extend
          ? { type: 'extendRun', number, fencingToken: token, runMs: 3_000 }
          : {
              type: 'saveCheckpoint',
              number,
              fencingToken: token,
              checkpoint: { encoding: 3, bytes: new Uint8Array(50) },
            };
      }
      case 'attach':
        return this.#attach(what);
      case 'worker':
        return this.#aboutWorker(what.what, `w${what.worker}`);
      case 'term':
        this.#term += 1;
        return { type: 'termStarted', term: this.#term };
      case 'session':
        return { type: 'openSession', session: 's' };
    }
  }

  #complete(what: Extract<Happening, { type: 'complete' }>): Command {
    const picked = what.picks.map(({ pick, outcome, stale }) => ({
      task: this.#pick(pick, 'running'),
      outcome,
      stale,
    }));
    const worker = picked[0]?.task.worker?.id ?? 'w0';
    const completions = picked.map(({ task, outcome, stale }): Completion => ({
      number: task.number,
      fencingToken: stale && outcome === 6 ? Math.max(0, task.token - 1) : task.token,
      outcome: OUTCOMES[outcome % OUTCOMES.length]!,
    }));
    for (const [token, number] of this.model.named(worker)?.lingering ?? []) {
      completions.push({ number, fencingToken: token, outcome: { type: 'returned' } });
    }
    return { type: 'complete', worker, completions };
  }

  #attach(what: Extract<Happening, { type: 'attach' }>): Command {
    const worker = this.model.named(`w${what.worker}`);
    const own: HeldAttempt[] = (worker === undefined ? [] : this.model.running(worker)).map((task) => ({
      number: task.number,
      fencingToken: task.token,
    }));
    const lingering = [...(worker?.lingering ?? [])].map(([fencingToken, number]) => ({ number, fencingToken }));
    return this.driver.attachCommand(`w${what.worker}`, {
      instance: `i${what.instance}`,
      slots: 1 + what.slots,
      types: what.worker === 3 ? ['image', 'mail'] : what.worker === 2 ? ['image'] : ['mail'],
      labels:
        what.worker === 1
          ? [
              ['gpu', 'yes'],
              ['host', `h${what.slots}`],
            ]
          : [['host', `h${what.worker}`]],
      held: what.holds === 0 ? [] : [...own.slice(0, what.holds), ...lingering],
      unanswered: what.holds === 3 ? own.slice(3, 5) : [],
    });
  }

  #aboutWorker(what: number, id: string): Command {
    const instance = this.model.named(id)?.instance ?? 'i0';
    if (what === 0) return { type: 'workerAway', worker: id, instance };
    if (what === 1 || what === 5) return { type: 'workerLost', worker: id, instance, capsFreeAtMs: this.driver.nowMs };
    if (what === 2) return { type: 'workerLeft', worker: id, instance };
    if (what === 3) return { type: 'drainWorker', worker: id, deadlineMs: this.driver.nowMs + 3_000 };
    return { type: 'resumeWorker', worker: id };
  }

  /** A task, one in `state` if there is any. */
  #pick(pick: number, state?: ModelTask['state']): ModelTask {
    const fit = this.model.tasks.filter((task) => state === undefined || task.state === state);
    const from = fit.length > 0 ? fit : this.model.tasks;
    return from[pick % Math.max(1, from.length)] ?? NO_TASK;
  }

  /** Everything that can be seen must be the same. */
  compare(): void {
    const { driver, model } = this;
    for (const task of model.tasks) {
      const found = driver.scheduler.task(task.number);
      if (found === undefined) continue;
      const view = driver.task(task.number);
      expect({ ...view, worker: undefined }).toMatchObject({
        state: task.state,
        cancelling: task.cancelling,
        failures: task.failures,
        crashes: task.crashes,
        deliveries: task.deliveries,
        fencingToken: task.token,
        ...(task.reason === undefined ? {} : { reason: task.reason }),
      });
      if (task.worker !== undefined) expect(view.worker).toBe(task.worker.id);
    }
    for (const queue of driver.scheduler.queues('default')) {
      const own = model.tasks.filter((task) => task.template.queue === queue.name);
      const count = (state: string): number => own.filter((task) => task.state === state).length;
      expect(queue).toMatchObject({
        submitted: own.length,
        scheduled: count('scheduled'),
        pending: count('pending'),
        running: count('running'),
        retrying: count('retrying'),
        done: count('done'),
        failed: count('failed'),
        cancelled: count('cancelled'),
      });
    }
    const shown = (worker: ModelWorker): object => ({
      id: worker.id,
      lost: worker.status === 'lost',
      state: worker.status !== 'attached' ? 'offline' : worker.draining ? 'draining' : 'online',
      running: model.running(worker).length,
      lingering: worker.lingering.size,
      slots: worker.slots,
    });
    const named = model.workers
      .filter((worker) => worker.status !== 'ended')
      .sort((left, right) => (left.id < right.id ? -1 : 1));
    expect(driver.scheduler.workers('default')).toMatchObject(named.map(shown));
  }
}

const OUTCOMES: readonly Completion['outcome'][] = [
  { type: 'done', result: { encoding: 0, bytes: new Uint8Array(0) } },
  { type: 'done', result: { encoding: 2, bytes: new Uint8Array(9) } },
  { type: 'failed', error: { encoding: 2, bytes: new Uint8Array(3) }, nonRetryable: false },
  { type: 'failed', error: { encoding: 0, bytes: new Uint8Array(0) }, nonRetryable: true },
  { type: 'failed', error: { encoding: 2, bytes: new Uint8Array(5) }, nonRetryable: false, retryAfterMs: 0 },
  { type: 'snoozed', delayMs: 1_500 },
  { type: 'returned' },
];

const NO_TASK: ModelTask = {
  number: 999,
  namespace: 'default',
  template: template(),
  key: undefined,
  state: 'done',
  createdAtMs: 0,
  dueMs: 0,
  sequence: 0,
  token: 7,
  worker: undefined,
  cancelling: false,
  suspect: false,
  crashTimes: [],
  failures: 0,
  crashes: 0,
  deliveries: 0,
  reason: undefined,
};

const NOWHERE = { put(): void {}, del(): void {} };

/** Applies the newest entry to a copy, whose outcome must be the same. */
function follow(driver: Driver, copy: Scheduler): void {
  for (const [at, { index, bytes }] of driver.log.entries()) {
    if (index <= copy.appliedIndex) continue;
    driver.provide(copy, bytes);
    expect(copy.apply(index, bytes)).toMatchObject(driver.outcomes[at]!);
    copy.checkInvariants();
  }
  expect(copy.counters()).toEqual(driver.scheduler.counters());
  expect(copy.allWorkers()).toEqual(driver.scheduler.allWorkers());
}

/** A state machine that was restored from the newest checkpoint of another one, and goes on beside it. */
export class Restored {
  readonly #driver: Driver;
  #copy: Scheduler | undefined;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** Applies what the other one applied. */
  follow(): void {
    if (this.#copy !== undefined) follow(this.#driver, this.#copy);
  }

  /** `written` is durable: what was restored before has come to the same digest at that mark, and gives way to what is restored from it. */
  restore(written: Mark, seed: number): void {
    this.follow();
    if (this.#copy !== undefined) {
      while (!this.#copy.drain(3, NOWHERE));
      expect(this.#copy.lastMark?.digest).toEqual(written.digest);
      this.#copy.checkpointWritten(written.index);
    }
    this.#copy = this.#driver.restore(written, seed);
    this.#copy.checkInvariants();
    expect(this.#copy.counters()).toEqual(this.#driver.scheduler.counters());
  }

  /** Both mark once more, and come to the same digest. */
  end(): void {
    if (this.#copy === undefined) return;
    this.#driver.apply({ type: 'checkpointMark' });
    this.follow();
    while (!this.#copy.drain(1_000, NOWHERE));
    expect(this.#copy.lastMark?.digest).toEqual(this.#driver.drain().digest);
  }
}
