/**
 * Reads tasks for those who ask, wherever they are: a live one from memory, a finished one from its block, which is in memory
 * until a checkpoint holds it and in the state database from then on.
 *
 * The state goes on changing while a block is read. A block that is gone by then was purged, and so were its tasks.
 */
import type { PeerLimits } from '../config/limits.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { blockKey, matchesFilter, payloadKey } from '../scheduler/scheduler.ts';
import type { TaskFilter, TaskView } from '../scheduler/views.ts';
import type { StateStorage } from '../storage/storage.ts';

/** A page of tasks, newest first. */
export interface TaskListPage {
  readonly tasks: readonly TaskView[];
  /** For the next page; undefined at the end. A page may be empty and not the last. */
  readonly cursor: number | undefined;
}

/** See the head of this file. */
export class TaskReader {
  readonly #scheduler: Scheduler;
  readonly #storage: StateStorage;
  readonly #blocksMax: number;
  /** Blocks read lately, in order of use. A block does not change once it has left the scheduler's memory. */
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(scheduler: Scheduler, storage: StateStorage, limits: Pick<PeerLimits, 'blockCacheCount'>) {
    this.#scheduler = scheduler;
    this.#storage = storage;
    this.#blocksMax = limits.blockCacheCount;
  }

  /** The task with this number, or undefined when there is none (any more). @throws StorageError */
  async task(number: number): Promise<TaskView | undefined> {
    const found = this.#scheduler.task(number);
    if (found === undefined || !('finishedBlock' in found)) return found;
    const block = await this.#block(found.finishedBlock);
    return block === undefined ? undefined : this.#scheduler.readFinished(block, number);
  }

  /** Tasks that `filter` shows, before `cursor`, newest first; looks at a bounded number. @throws StorageError */
  async list(filter: TaskFilter, cursor: number | undefined, limit: number): Promise<TaskListPage> {
    const page = this.#scheduler.list(filter, cursor, limit);
    const tasks: TaskView[] = [];
    for (const listed of page.tasks) {
      if (!('finishedBlock' in listed)) {
        tasks.push(listed);
        continue;
      }
      const block = await this.#block(listed.finishedBlock);
      const task = block === undefined ? undefined : this.#scheduler.readFinished(block, listed.number);
      if (task !== undefined && matchesFilter(task, filter)) tasks.push(task);
    }
    return { tasks, cursor: page.cursor };
  }

  /**
   * Payloads that left memory, in the order of `numbers`; undefined for one that is gone.
   * @throws StorageError, DecodeError
   */
  async payloads(numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    const records = await this.#storage.getMany(numbers.map((number) => payloadKey(number)));
    return numbers.map((number, at) => {
      const record = records[at];
      return record === undefined ? undefined : this.#scheduler.readPayload(number, record);
    });
  }

  async #block(id: number): Promise<Uint8Array | undefined> {
    const inMemory = this.#scheduler.block(id);
    if (inMemory !== undefined) return inMemory;
    const cached = this.#blocks.get(id);
    const block = cached ?? (await this.#storage.get(blockKey(id)));
    if (block === undefined) return undefined;
    this.#blocks.delete(id);
    this.#blocks.set(id, block);
    if (this.#blocks.size > this.#blocksMax) {
      for (const oldest of this.#blocks.keys()) {
        this.#blocks.delete(oldest);
        break;
      }
    }
    return block;
  }
}
