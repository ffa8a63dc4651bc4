import { InvariantError } from '../base/assert.ts';
import type { Crc32, Hash64 } from '../base/hash.ts';
import type { SchedulerLimits } from './limits.ts';
import type { ApplyOutcome } from './outcome.ts';
import type {
  Assignment,
  FinishedLocation,
  QueueView,
  SchedulerCounters,
  TaskFilter,
  TaskPage,
  TaskView,
  WorkerView,
} from './views.ts';

/** What a state machine is made with. Limits must be equal on all peers. */
export interface SchedulerOptions {
  readonly crc32: Crc32;
  /** Over `SCHEDULER_LIMITS`. */
  readonly limits?: Partial<SchedulerLimits>;
}

/** Where the records of a checkpoint go. Bytes handed over belong to the sink. */
export interface CheckpointSink {
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
}

/** The digest of the state at one mark; equal on all peers that applied it. */
export interface Mark {
  readonly index: number;
  readonly logTimeMs: number;
  readonly digest: Hash64;
}

/** A mark whose changes are not drained yet. */
export interface OpenMark {
  readonly index: number;
  readonly logTimeMs: number;
  /** `write`: drain it into a checkpoint and commit that. `hash`: an earlier one is still being written; drain it to nowhere. */
  readonly mode: 'write' | 'hash';
}

/** See the package doc above. */
export interface SchedulerLoader {
  /** One record of the state database, in any order. @throws DecodeError */
  add(key: Uint8Array, value: Uint8Array): void;
  /** The state as it was at the mark. @throws DecodeError when the records do not make it, by the digest or by themselves */
  finish(mark: Mark): Scheduler;
}

/** The key of the record in the state database that holds a block of finished tasks. */
export function blockKey(blockId: number): Uint8Array {
  throw new InvariantError(`not yet ${blockId}`);
}

/** The key of the record in the state database that holds the payload of a task, when it left memory. */
export function payloadKey(number: number): Uint8Array {
  throw new InvariantError(`not yet ${number}`);
}

/** The replicated state machine. */
export class Scheduler {
  constructor(options: SchedulerOptions) {
    void options;
  }
  /** The stamp of the last entry. */
  get logTimeMs(): number {
    return 0;
  }
  /** The last entry that was applied. */
  get appliedIndex(): number {
    return 0;
  }
  /** True while work is left over that needs no new command: the leader goes on proposing, empty batches if need be. */
  get openCursors(): boolean {
    return false;
  }
  /** When the earliest timer is due in log time, as far as it may fire; undefined when none is set. */
  nextDueMs(): number | undefined {
    throw new InvariantError('not yet');
  }
  /** Until this log time no worker may be declared lost: one lease from the begin of the term. Earlier verdicts are refused. */
  get verdictsFromMs(): number {
    return 0;
  }
  /** Applies one entry. @throws DecodeError, InvariantError: halt the peer */
  apply(index: number, batch: Uint8Array): ApplyOutcome {
    throw new InvariantError(`not yet ${index} ${batch.length}`);
  }
  /** What to deliver to the worker on which the task runs; undefined when it does not run. */
  assignment(number: number): Assignment | undefined {
    throw new InvariantError(`not yet ${number}`);
  }
  /** Numbers of the tasks that run on a worker, in the order of their placement. */
  assignmentsOf(worker: string): number[] {
    throw new InvariantError(`not yet ${worker}`);
  }
  task(number: number): TaskView | FinishedLocation | undefined {
    throw new InvariantError(`not yet ${number}`);
  }
  /** A block of finished tasks, while it is in memory. */
  block(blockId: number): Uint8Array | undefined {
    throw new InvariantError(`not yet ${blockId}`);
  }
  /** A finished task out of its block. @throws DecodeError when the block is damaged */
  readFinished(block: Uint8Array, number: number): TaskView | undefined {
    throw new InvariantError(`not yet ${number} ${block.length}`);
  }
  /** Tasks before `cursor`, newest first. Looks at a bounded number of tasks, whatever it finds. */
  list(filter: TaskFilter, cursor: number | undefined, limit: number): TaskPage {
    throw new InvariantError(`not yet ${filter.namespace} ${cursor} ${limit}`);
  }
  queues(namespace: string): QueueView[] {
    throw new InvariantError(`not yet ${namespace}`);
  }
  workers(namespace: string): WorkerView[] {
    throw new InvariantError(`not yet ${namespace}`);
  }
  counters(): SchedulerCounters {
    throw new InvariantError('not yet');
  }
  /** The mark that waits to be drained. */
  get openMark(): OpenMark | undefined {
    return undefined;
  }
  /** Hands up to `recordsMax` records of the open mark to the sink; true when that was all and `lastMark` tells the digest. */
  drain(recordsMax: number, sink: CheckpointSink): boolean {
    throw new InvariantError(`not yet ${recordsMax} ${String(sink)}`);
  }
  /** The newest mark that was drained or hashed to its end. */
  get lastMark(): Mark | undefined {
    return undefined;
  }
  /** The checkpoint of the mark at `index` is durable. */
  checkpointWritten(index: number): void {
    throw new InvariantError(`not yet ${index}`);
  }
  static loader(options: SchedulerOptions): SchedulerLoader {
    throw new InvariantError(`not yet ${String(options)}`);
  }
}

/** True when `task` is one that `filter` shows; for the finished tasks of a page, once they were read. */
export function matchesFilter(task: TaskView, filter: TaskFilter): boolean {
  throw new InvariantError(`not yet ${task.number} ${filter.namespace}`);
}
