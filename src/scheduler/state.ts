/**
 * Everything that the state machine is: its parts, put together, and how they become records. The rules are in the files that
 * take a `State` and change it.
 */
import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import type { TaskTemplate } from './command.ts';
import { FarBlocks } from './far/far-blocks.ts';
import { Line, type RequiredLabels } from './line.ts';
import type { SchedulerLimits } from './limits.ts';
import { Checkpoints } from './memory/checkpoints.ts';
import { DueRows } from './memory/due-rows.ts';
import { Memory } from './memory/memory.ts';
import type { RecordTable } from './memory/records.ts';
import { Meta } from './meta.ts';
import type { Abort, Reply, SettledOccurrence } from './outcome.ts';
import { NameCache } from './name-cache.ts';
import { Queues } from './queues.ts';
import { Rows } from './rows.ts';
import { Schedules } from './schedules/schedules.ts';
import { Sessions } from './sessions.ts';
import { TASK_STATES } from './states.ts';
import { TaskRecords } from './task-records.ts';
import { type Template, Templates } from './templates.ts';
import { Workers } from './workers.ts';

/** The namespace in which the names of namespaces and principals are. */
export const NO_NAMESPACE = 0;

/** The parts of the state. */
export class State {
  readonly limits: SchedulerLimits;
  readonly crc32: Crc32;
  readonly memory: Memory;
  readonly far: FarBlocks;
  readonly meta: Meta;
  readonly queues: Queues;
  readonly templates: Templates;
  readonly workers: Workers;
  readonly sessions: Sessions;
  readonly schedules: Schedules;
  readonly rows: Rows = new Rows();
  readonly line: Line;
  readonly tasks: RecordTable;
  readonly checkpoints: Checkpoints;
  /** Timers of tasks that do not run. */
  readonly waiting: DueRows = new DueRows();
  /** Timers of tasks that run; they rest for one lease at the begin of a term. */
  readonly running: DueRows = new DueRows();
  /** By code of the state, over everything; the final ones count what ever ended so. Invariant: the sum over the queues. */
  readonly counts: Float64Array = new Float64Array(TASK_STATES.length);
  /** Payloads, headers and checkpoints of the tasks that have rows. */
  liveBytes = 0;
  readonly writer: ByteWriter = new ByteWriter(4096);
  readonly records: TaskRecords;
  readonly nameCache: NameCache = new NameCache();
  /** Both ways, as far as they were asked for. */
  readonly #namespaces: Map<string, number> = new Map();
  readonly #namespaceNames: Map<number, string> = new Map();

  // What the present entry did; emptied when the next one begins.

  readonly replies: Reply[] = [];
  readonly assigned: number[] = [];
  readonly aborts: Abort[] = [];
  readonly finished: number[] = [];
  readonly occurrences: SettledOccurrence[] = [];
  marked = false;

  constructor(limits: SchedulerLimits, crc32: Crc32) {
    this.limits = limits;
    this.crc32 = crc32;
    this.memory = new Memory({
      crc32,
      blockLimits: { tasksMax: limits.finishedTasksMax, sizeBytesMax: limits.finishedBytesMax },
      namesMax: limits.namesMax,
      keysMax: limits.keysMax,
    });
    this.far = new FarBlocks({ crc32, farSpanMs: limits.farSpanMs, blockTasksMax: limits.farBlockTasksMax });
    this.meta = new Meta(crc32);
    this.line = new Line(this.rows, this.#requiredLabels());
    this.queues = new Queues(crc32, (nameNumber) => this.memory.names.nameOf(nameNumber));
    this.templates = new Templates(crc32, (id, namespace, bytes, hash, read) =>
      this.#makeTemplate(id, namespace, bytes, hash, read),
    );
    this.workers = new Workers(crc32, limits.forgetWorkerMs);
    this.sessions = new Sessions(crc32, limits);
    this.schedules = new Schedules(crc32, limits);
    this.records = new TaskRecords(this);
    this.tasks = this.records.table;
    this.checkpoints = new Checkpoints([
      this.meta.table,
      this.queues.table,
      this.templates.table,
      this.workers.table,
      this.sessions.table,
      this.schedules.definitions,
      this.schedules.progress,
      this.tasks,
      ...this.memory.tables,
      this.far.directory,
      this.far.bodies,
    ]);
  }

  get nowMs(): number {
    return this.meta.logTimeMs;
  }

  /** The number of a namespace that was used before, else 0. */
  findNamespace(name: string): number {
    return this.#namespaces.get(name) ?? this.memory.names.find(NO_NAMESPACE, `namespace:${name}`);
  }

  /** The number of a namespace, which is made with its first use; 0 when there are too many. */
  namespaceNumber(name: string): number {
    const known = this.findNamespace(name);
    if (known !== 0) {
      this.#namespaces.set(name, known);
      return known;
    }
    return this.memory.names.intern(NO_NAMESPACE, `namespace:${name}`);
  }

  /** The name of a namespace by its number. */
  namespaceName(number: number): string {
    let name = this.#namespaceNames.get(number);
    if (name === undefined) {
      name = this.memory.names.nameOf(number).slice('namespace:'.length);
      this.#namespaceNames.set(number, name);
    }
    return name;
  }

  /** The number of a principal's name; 0 when there are too many names. */
  principalNumber(name: string): number {
    return this.memory.names.intern(NO_NAMESPACE, name);
  }

  /** Kept among the names, under what is no name. There is room: a submission was looked at before. */
  #requiredLabels(): RequiredLabels {
    const { names } = this.memory;
    return {
      has: (label) => names.find(NO_NAMESPACE, `label ${label}`) !== 0,
      add: (label) => {
        const number = names.intern(NO_NAMESPACE, `label ${label}`);
        assert(number !== 0, 'whoever requires a label has seen that there is room for it');
      },
    };
  }

  /** A state without any record: the begin of a cluster. */
  begin(): void {
    this.meta.begin();
  }

  /** Empties what the last entry did. */
  clearOutcome(): void {
    this.replies.length = 0;
    this.assigned.length = 0;
    this.aborts.length = 0;
    this.finished.length = 0;
    this.occurrences.length = 0;
    this.marked = false;
  }

  #makeTemplate(id: number, namespace: number, bytes: Uint8Array, hash: number, read: TaskTemplate): Template {
    const { names } = this.memory;
    const queueName = names.intern(namespace, read.queue);
    const typeName = names.intern(namespace, read.type);
    assert(queueName !== 0 && typeName !== 0, 'whoever makes a template has seen that there is room for its names');
    const queue = this.queues.find(namespace, queueName) ?? this.queues.add(namespace, queueName, read.queue);
    const { requires, retry, timeouts, retention } = read;
    const { slot } = queue;
    // Field by field: made of other objects it would have a shape of its own each time.
    return {
      id,
      namespace,
      bytes,
      hash,
      type: read.type,
      typeName,
      queue,
      priority: read.priority,
      requires,
      maxAttempts: retry.maxAttempts,
      initialMs: retry.initialMs,
      maxMs: retry.maxMs,
      runMs: timeouts.runMs,
      queueMs: timeouts.queueMs,
      totalMs: timeouts.totalMs,
      doneMs: retention.doneMs,
      failedMs: retention.failedMs,
      keepPayload: retention.keepPayload,
      group: this.line.acquire({ namespace, queue: slot, type: typeName, requires, suspect: false }, queue),
      suspects: this.line.acquire({ namespace, queue: slot, type: typeName, requires, suspect: true }, queue),
      references: 0,
    };
  }
}
