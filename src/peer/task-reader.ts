/**
 * Reads tasks for those who ask, wherever they are: a live one from memory, a finished one from its block, which is in memory
 * until a checkpoint holds it and in the state database from then on.
 *
 * The state goes on changing while a block is read. A block of finished tasks that is gone by then was purged, and so were its tasks;
 * a task that has left its block of far ones meanwhile is looked for anew.
 */
import type { PeerLimits } from '../config/limits.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { blockKey, farBlockKey, matchesFilter, payloadKey } from '../scheduler/scheduler.ts';
import type { TaskFilter, TaskView } from '../scheduler/views.ts';
import type { StateStorage } from '../storage/storage.ts';
import { farDamage } from './far-bodies.ts';

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
  /**
   * Blocks read lately, in order of use: of finished tasks by id, of far ones by minus their id. A block does not change once it has
   * left the scheduler's memory.
   */
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(scheduler: Scheduler, storage: StateStorage, limits: Pick<PeerLimits, 'blockCacheCount'>) {
    this.#scheduler = scheduler;
    this.#storage = storage;
    this.#blocksMax = limits.blockCacheCount;
  }

  /** The task with this number, or undefined when there is none (any more). @throws StorageError, DecodeError */
  async task(number: number): Promise<TaskView | undefined> {
    const scheduler = this.#scheduler;
    for (;;) {
      const found = scheduler.task(number);
      if (found === undefined || 'number' in found) return found;
      if ('finishedBlock' in found) {
        const block = await this.#block(found.finishedBlock);
        return block === undefined ? undefined : scheduler.readFinished(block, number);
      }
      const block = await this.#farBlock(found.farBlock);
      const task = block === undefined ? undefined : scheduler.readFar(found.farBlock, block, number);
      if (task !== undefined) return task;
      // It has left the block meanwhile, which it does a few times in its life; else the block is missing.
      const now = scheduler.task(number);
      if (now !== undefined && 'farBlock' in now && now.farBlock === found.farBlock)
        throw farDamage(`the block ${now.farBlock} of far tasks is missing`);
    }
  }

  /** Tasks that `filter` shows, before `cursor`, newest first; looks at a bounded number. @throws StorageError */
  async list(filter: TaskFilter, cursor: number | undefined, limit: number): Promise<TaskListPage> {
    const page = this.#scheduler.list(filter, cursor, limit);
    const tasks: TaskView[] = [];
    for (const listed of page.tasks) {
      if ('state' in listed) {
        tasks.push(listed);
        continue;
      }
      const task = await this.task(listed.number);
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
    return this.#scheduler.block(id) ?? this.#read(id, blockKey(id));
  }

  async #farBlock(id: number): Promise<Uint8Array | undefined> {
    return this.#scheduler.farBlock(id) ?? this.#read(-id, farBlockKey(id));
  }

  async #read(id: number, key: Uint8Array): Promise<Uint8Array | undefined> {
    const cached = this.#blocks.get(id);
    const block = cached ?? (await this.#storage.get(key));
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
