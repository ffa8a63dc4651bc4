/**
 * Where the scheduler keeps things: structures for millions of tasks without an object for each, and the records by which they get
 * to a disk and back. Nothing here knows what a task means.
 *
 *     slab.ts            bytes of rows: payloads, histories, keys
 *     number-pages.ts    task number ──▶ row, or block, or nothing
 *     due-heap.ts        rows by the instant at which they fall due
 *     blocks.ts          finished tasks in blocks of 64 KiB   block-format.ts, block-directory.ts
 *     payloads.ts        payloads that leave memory once they are durable
 *     names.ts           (namespace, name) ──▶ number
 *     key-table.ts       (namespace, key) ──▶ task            bytes-index.ts
 *     records.ts         one table: what changed, kept hashes
 *     checkpoints.ts     all tables: marks, slices, digest, restore
 *
 * In: calls of the scheduler while it applies an entry. Out: records for the state database, the digest of the state at each mark,
 * and where to find what is not in memory.
 *
 * A table's owner calls `table.add(slot)` for a new record, `table.touch(slot)` before it changes one and `table.remove(slot)` before
 * it takes one away. At a mark the changes so far are frozen in O(1); `touch` and `remove` save what the mark still needs.
 *
 *     apply, apply, mark(100) ── drain, apply, drain, apply … ──▶ handedOver ── written(100)
 *
 * Restoring: `checkpoints.restore(key, value)` for every record whose table id is below `BODY_TABLE_IDS_FROM`, in any order; then for
 * the bodies of `blocks.missingBodies()` (others do no harm, but wait in memory); rows are entered into `pages` by their owner; then
 * `memory.restored(nextNumber)`, and `checkpoints.restored(mark)`, which compares the digest.
 *
 * Invariants
 * - The digest depends on the contents at the mark alone: not on slots, on the order of slices, on what is in memory, nor on which
 *   marks were written.
 * - What is not in memory changes no outcome: no call here reads a disk or answers differently for it, but those that return bodies.
 * - Nothing holds its caller for long: segments, pages and shards grow by parts. Slots and places are this peer's own affair and
 *   never reach a record.
 *
 * Not here: rows, queues, placement, when to checkpoint, and any reading or writing.
 */
import type { Crc32 } from '../../base/hash.ts';
import { type BlockLimits, Blocks } from './blocks.ts';
import { KeyTable } from './key-table.ts';
import { Names } from './names.ts';
import { NumberPages } from './number-pages.ts';
import { Payloads } from './payloads.ts';
import type { RecordTable } from './records.ts';
import { Slab } from './slab.ts';

/** Hash and limits; absent limits take the defaults of each structure. All equal on all peers. */
export interface MemoryOptions {
  readonly crc32: Crc32;
  readonly blockLimits?: Partial<BlockLimits>;
  /** Names over all namespaces. */
  readonly namesMax?: number;
  /** Keys a namespace. */
  readonly keysMax?: number;
}

/** The structures, put together. */
export class Memory {
  readonly slab: Slab = new Slab();
  readonly pages: NumberPages;
  readonly names: Names;
  readonly keys: KeyTable;
  readonly payloads: Payloads;
  readonly blocks: Blocks;
  /** Their tables, for `Checkpoints`. */
  readonly tables: readonly RecordTable[];

  constructor(options: MemoryOptions) {
    const { crc32, blockLimits, namesMax, keysMax } = options;
    const { slab } = this;
    this.pages = new NumberPages({ crc32 });
    this.names = new Names({ crc32, ...(namesMax === undefined ? {} : { namesMax }) });
    this.keys = new KeyTable({ crc32, slab, ...(keysMax === undefined ? {} : { keysMax }) });
    this.payloads = new Payloads({ crc32, slab });
    this.blocks = new Blocks({
      crc32,
      pages: this.pages,
      payloads: this.payloads,
      ...(blockLimits === undefined ? {} : { limits: blockLimits }),
    });
    this.tables = [
      this.pages.table,
      this.names.table,
      this.keys.table,
      this.payloads.directory,
      this.payloads.bodies,
      this.blocks.directory,
      this.blocks.bodies,
    ];
  }

  /** A checkpoint is durable: what it holds and is rarely needed leaves memory. */
  written(): void {
    this.blocks.written();
    this.payloads.written();
  }

  /**
   * Ends a restore, when every record was taken in and every row was entered into `pages`.
   *
   * @param nextNumber The number that the next task gets.
   * @param farTasks Tasks in blocks of far ones, which are no affair of this folder but for their numbers.
   * @throws DecodeError when the records contradict each other.
   */
  restored(nextNumber: number, farTasks = 0): void {
    this.names.restored();
    this.blocks.restored();
    this.pages.restored(nextNumber, farTasks);
  }
}
