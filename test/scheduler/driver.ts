/** Drives a state machine the way a leader and its log do: commands become entries, entries are applied as bytes. */
import { crc32 } from 'node:zlib';
import { ByteWriter } from '../../src/base/bytes.ts';
import { BatchWriter, commandMoves, encodeCommand } from '../../src/scheduler/batch.ts';
import type { Blob, Command, Completion, TaskSubmission, TaskTemplate } from '../../src/scheduler/command.ts';
import { type SchedulerLimits, TASK_DEFAULTS } from '../../src/scheduler/limits.ts';
import type { ApplyOutcome, Reply, Submitted } from '../../src/scheduler/outcome.ts';
import { farBlockKey, type Mark, Scheduler } from '../../src/scheduler/scheduler.ts';
import type { TaskView } from '../../src/scheduler/views.ts';

export const hash = (bytes: Uint8Array, seed?: number): number => crc32(bytes, seed ?? 0);

/** Text as bytes, and back. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

export function blob(text: string): Blob {
  return text === '' ? { encoding: 0, bytes: new Uint8Array(0) } : { encoding: 2, bytes: bytesOf(text) };
}

export function template(overrides: Partial<TaskTemplate> = {}): TaskTemplate {
  return { type: 'mail', ...TASK_DEFAULTS, ...overrides };
}

/** An entry of these commands. */
export function entryOf(logTimeMs: number, commands: readonly Command[], principal = 'anonymous'): Uint8Array {
  const batch = new BatchWriter();
  const writer = new ByteWriter();
  batch.begin();
  for (const command of commands) {
    writer.reset();
    encodeCommand(writer, principal, command);
    batch.add(writer.view(), commandMoves(command));
  }
  return batch.finish(logTimeMs);
}

/** What an outcome held, kept beyond the next entry. */
export interface KeptOutcome {
  readonly replies: Reply[];
  readonly assigned: number[];
  readonly aborts: ApplyOutcome['aborts'];
  readonly finished: number[];
  readonly occurrences: ApplyOutcome['occurrences'];
}

export interface Entry {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** A state machine with its log, a clock, and shorthand for what tests say most. */
export class Driver {
  scheduler: Scheduler;
  nowMs = 1_000_000_000;
  index = 0;
  readonly log: Entry[] = [];
  /** What each entry of the log did, beside it. */
  readonly outcomes: KeptOutcome[] = [];
  readonly options: { readonly crc32: typeof hash; readonly limits: Partial<SchedulerLimits> };
  checks = true;
  /** The state database: what checkpoints wrote. */
  readonly database: Map<string, { key: Uint8Array; value: Uint8Array }> = new Map();
  /** What later ones took out of it. */
  readonly #deleted = new Map<string, Uint8Array>();
  #sequence = 0;

  constructor(limits: Partial<SchedulerLimits> = {}) {
    this.options = { crc32: hash, limits };
    this.scheduler = new Scheduler(this.options);
  }

  /** Applies one entry of these commands at the present time. */
  apply(...commands: Command[]): KeptOutcome {
    return this.applyBytes(entryOf(this.nowMs, commands));
  }

  applyBytes(bytes: Uint8Array): KeptOutcome {
    this.index += 1;
    this.log.push({ index: this.index, bytes });
    this.provide(this.scheduler, bytes);
    const { replies, assigned, aborts, finished, occurrences } = this.scheduler.apply(this.index, bytes);
    if (this.checks) this.scheduler.checkInvariants();
    const kept = {
      replies: [...replies],
      assigned: [...assigned],
      aborts: [...aborts],
      finished: [...finished],
      occurrences: [...occurrences],
    };
    this.outcomes.push(kept);
    return kept;
  }

  /** Lets log time pass, and the leader propose what is due. */
  pass(ms: number): KeptOutcome {
    this.nowMs += ms;
    const first = this.apply({ type: 'tick' });
    const all = {
      ...first,
      assigned: [...first.assigned],
      aborts: [...first.aborts],
      finished: [...first.finished],
      occurrences: [...first.occurrences],
    };
    while (this.scheduler.openCursors) {
      const more = this.apply({ type: 'tick' });
      all.assigned.push(...more.assigned);
      all.aborts.push(...more.aborts);
      all.finished.push(...more.finished);
      all.occurrences.push(...more.occurrences);
    }
    return all;
  }

  /** A term begins and a session is open. */
  begin(): this {
    this.apply({ type: 'termStarted', term: 1 }, { type: 'openSession', session: 's' });
    return this;
  }

  submitCommand(
    tasks: readonly (Partial<TaskSubmission> & { readonly text?: string })[],
    templates: readonly TaskTemplate[] = [template()],
  ): Extract<Command, { type: 'submit' }> {
    this.#sequence += 1;
    return {
      type: 'submit',
      session: 's',
      sequence: this.#sequence,
      answeredBelow: 0,
      namespace: 'default',
      templates,
      tasks: tasks.map(({ text, ...rest }) => ({ template: 0, payload: blob(text ?? ''), ...rest })),
    };
  }

  /** Submits one task and returns its number. */
  submit(overrides: Partial<TaskTemplate> = {}, task: Partial<TaskSubmission> & { text?: string } = {}): number {
    const [reply] = this.apply(this.submitCommand([task], [template(overrides)])).replies;
    if (reply?.type !== 'submitted') throw new Error(`refused: ${JSON.stringify(reply)}`);
    return (reply satisfies Submitted).firstNumber;
  }

  attachCommand(
    worker: string,
    overrides: Partial<Extract<Command, { type: 'workerAttached' }>> = {},
  ): Extract<Command, { type: 'workerAttached' }> {
    return {
      type: 'workerAttached',
      namespace: 'default',
      worker,
      instance: `${worker}-1`,
      types: ['mail'],
      labels: [],
      slots: 1,
      version: '1',
      held: [],
      unanswered: [],
      ...overrides,
    };
  }

  attach(worker: string, overrides: Partial<Extract<Command, { type: 'workerAttached' }>> = {}): KeptOutcome {
    return this.apply(this.attachCommand(worker, overrides));
  }

  /** The token under which `number` runs. */
  token(number: number): number {
    const assignment = this.scheduler.assignment(number);
    if (assignment === undefined) throw new Error(`task ${number} does not run`);
    return assignment.fencingToken;
  }

  /** The attempt as its worker names it. */
  held(number: number): { number: number; fencingToken: number } {
    return { number, fencingToken: this.token(number) };
  }

  complete(
    number: number,
    outcome: Completion['outcome'],
    fencingToken: number = this.token(number),
    worker?: string,
  ): KeptOutcome {
    const by = worker ?? this.scheduler.assignment(number)?.worker ?? 'nobody';
    return this.apply({ type: 'complete', worker: by, completions: [{ number, fencingToken, outcome }] });
  }

  done(number: number, result = ''): KeptOutcome {
    return this.complete(number, { type: 'done', result: blob(result) });
  }

  fail(number: number, error = 'broken'): KeptOutcome {
    return this.complete(number, { type: 'failed', error: blob(error), nonRetryable: false });
  }

  /** A task as it is, live or finished. */
  task(number: number): TaskView {
    const found = this.scheduler.task(number);
    if (found === undefined) throw new Error(`there is no task ${number}`);
    if ('number' in found) return found;
    if ('farBlock' in found) return this.#farTask(found.farBlock, number);
    const block = this.scheduler.block(found.finishedBlock);
    if (block === undefined) throw new Error(`block ${found.finishedBlock} is not in memory`);
    const view = this.scheduler.readFinished(block, number);
    if (view === undefined) throw new Error(`task ${number} is not in its block`);
    return view;
  }

  #farTask(id: number, number: number): TaskView {
    const body = this.scheduler.farBlock(id) ?? this.database.get(keyText(farBlockKey(id)))?.value;
    const view = body === undefined ? undefined : this.scheduler.readFar(id, body, number);
    if (view === undefined) throw new Error(`the far task ${number} is not in its block`);
    return view;
  }

  /**
   * Gives `scheduler` what it needs to apply `bytes`, as a peer does from its disk. A copy that is behind finds there what this one
   * has deleted since: its own disk would still have it.
   */
  provide(scheduler: Scheduler, bytes: Uint8Array): void {
    for (const need of scheduler.farNeeds(bytes)) {
      const key = keyText(farBlockKey(need.block));
      const isCopy = scheduler !== this.scheduler;
      scheduler.giveFar(need, this.database.get(key)?.value ?? (isCopy ? this.#deleted.get(key) : undefined));
    }
  }

  /** Drains what is marked into the database. */
  drain(recordsMax = 1_000): Mark {
    const sink = {
      put: (key: Uint8Array, value: Uint8Array): void => {
        this.database.set(keyText(key), { key, value: value.slice() });
      },
      del: (key: Uint8Array): void => {
        const text = keyText(key);
        const record = this.database.get(text);
        if (record !== undefined) this.#deleted.set(text, record.value);
        this.database.delete(text);
      },
    };
    while (!this.scheduler.drain(recordsMax, sink));
    const mark = this.scheduler.lastMark;
    if (mark === undefined) throw new Error('nothing was marked');
    return mark;
  }

  /** A whole checkpoint, durable at once. */
  checkpoint(): Mark {
    this.apply({ type: 'checkpointMark' });
    const mark = this.drain();
    this.scheduler.checkpointWritten(mark.index);
    return mark;
  }

  /** Another state machine, made of the database as it was written for `mark`, in an order given by `seed`. */
  restore(mark: Mark, seed = 0): Scheduler {
    const loader = Scheduler.loader(this.options);
    const records = [...this.database.values()].filter(({ key }) => (key[0] ?? 0) < 240);
    records.sort((left, right) => shuffled(left.key, seed) - shuffled(right.key, seed));
    for (const { key, value } of records) loader.add(key, value);
    for (const key of loader.missing()) {
      const record = this.database.get(keyText(key));
      if (record !== undefined) loader.add(record.key, record.value);
    }
    return loader.finish(mark);
  }
}

export function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}

function shuffled(key: Uint8Array, seed: number): number {
  return crc32(key, seed);
}
