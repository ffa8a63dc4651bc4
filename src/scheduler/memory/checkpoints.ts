import { assert } from '../../base/assert.ts';
import { DecodeError } from '../../base/bytes.ts';
import { addHash, formatHash, type Hash64, sameHash, ZERO_HASH } from '../../base/hash.ts';
import type { LogIndex } from '../../base/ids.ts';
import { readRecordKey, type RecordSink, type RecordTable } from './records.ts';

/** A point of the log at which every peer knows the digest of its state. */
export interface Mark {
  readonly index: LogIndex;
  readonly digest: Hash64;
}

interface WrittenMark {
  readonly index: LogIndex;
  /** Undefined until the capture is complete. */
  digest: Hash64 | undefined;
  handedOver: boolean;
}

/**
 * Checkpoints over all tables of the state: one set of changes is frozen at a mark, captured in slices, handed to a writer, and
 * forgotten when it is durable.
 *
 *     mark ──▶ capturing ──drain…──▶ captured ──drain…──▶ handed over ──written──▶ idle
 *
 * A mark that comes before `written`, or while `holding`, is captured for its digest only; what it found changed is written by
 * the next mark that is. The digest is the sum of all hashed records at the mark, so it does not depend on which marks were
 * written, on the order of slices, nor on what was applied between them.
 */
export class Checkpoints implements RecordSink {
  readonly #tables: readonly RecordTable[];
  /** The mark that is being captured, and the table that the capture has come to. */
  #capturing: { readonly index: LogIndex; readonly writes: boolean } | undefined;
  #table = 0;
  /** The checkpoint under way, from its mark until it is durable. */
  #writing: WrittenMark | undefined;
  /** Captured puts that wait for `drain`: those of records that changed again before their turn. */
  #keys: Uint8Array[] = [];
  #values: Uint8Array[] = [];
  #handed = 0;
  #deletionsLeft = false;
  #lastMark: Mark | undefined;
  #lastIndex: LogIndex = 0;
  /** True makes every further mark be hashed only, so that the written state stands still while it is read or sent. */
  holding = false;

  /** @param tables All tables of the state, in an order that is the same on every peer. */
  constructor(tables: readonly RecordTable[]) {
    const ids = new Set(tables.map((table) => table.id));
    assert(ids.size === tables.length, 'every table has an id of its own');
    this.#tables = tables;
  }

  /** The last mark whose capture is complete, written or not. */
  get lastMark(): Mark | undefined {
    return this.#lastMark;
  }

  /** The mark of the checkpoint that was wholly handed over by `drain` and is not reported as written yet. */
  get handedOver(): Mark | undefined {
    const writing = this.#writing;
    if (writing === undefined || !writing.handedOver || writing.digest === undefined) return undefined;
    return { index: writing.index, digest: writing.digest };
  }

  /** True from the mark of a checkpoint that is written until it is durable. */
  get inProgress(): boolean {
    return this.#writing !== undefined;
  }

  /** True while `drain` has anything to do. */
  get draining(): boolean {
    return this.#capturing !== undefined || this.#queued > 0 || this.#deletionsLeft;
  }

  /**
   * The state as it is now belongs to the mark at `index`. O(1), unless the mark before was not drained: then what is left of its
   * capture is done at once.
   */
  mark(index: LogIndex): void {
    assert(index > this.#lastIndex, 'marks go forward');
    this.#finishCapture();
    this.#lastIndex = index;
    const writes = this.#writing === undefined && !this.holding;
    for (const table of this.#tables) table.freeze(writes ? this : undefined);
    this.#capturing = { index, writes };
    this.#table = 0;
    if (!writes) return;
    this.#writing = { index, digest: undefined, handedOver: false };
    this.#deletionsLeft = true;
  }

  /**
   * Goes on with what the last marks left to do: about `maxRecords` small records are looked at or handed to `sink`; a large one counts
   * as one for each KiB. All deletions of a checkpoint come before its puts. A drain that only hashes calls nothing on `sink`.
   * The sink takes the bytes over at once; values share buffers, so keeping one keeps up to 64 KiB.
   *
   * @returns true while there is more to do; then `handedOver` tells whether a checkpoint is complete.
   */
  drain(maxRecords: number, sink: RecordSink): boolean {
    assert(maxRecords >= 1, 'a slice has room for a record');
    let left = maxRecords - this.#drainDeletions(maxRecords, sink);
    left -= this.#handOver(left, sink);
    // What is left of the slice was left by deletions and queued puts, so there are no more of either.
    if (left > 0) {
      this.#capture(left);
      this.#handOver(Number.MAX_SAFE_INTEGER, sink);
    }
    this.#noteHandedOver();
    return this.draining;
  }

  /** The checkpoint of the mark at `index` is durable. */
  written(index: LogIndex): void {
    assert(this.#writing?.index === index && this.#writing.handedOver, 'what was handed over is reported as written');
    this.#writing = undefined;
  }

  /** Takes a record of a checkpoint in, in any order, before the first mark. @throws DecodeError */
  restore(key: Uint8Array, value: Uint8Array): void {
    assert(this.#lastIndex === 0, 'records are taken in before the first mark');
    const id = key[0];
    const table = this.#tables.find((one) => one.id === id);
    if (table === undefined) throw new DecodeError(`no table has the id ${id ?? 'none'}`);
    table.restore(readRecordKey(key), value);
  }

  /** Ends a restore: the records were those of the mark, no more and no fewer. @throws DecodeError when they were not. */
  restored(mark: Mark): void {
    const digest = this.#sum();
    if (!sameHash(digest, mark.digest)) {
      throw new DecodeError(
        `the records have the digest ${formatHash(digest)}, their mark says ${formatHash(mark.digest)}`,
      );
    }
    this.#lastIndex = mark.index;
    this.#lastMark = mark;
  }

  /** For the tables: deletions are asked for by `drain` and never pushed. */
  del(): void {
    assert(false, 'tables hand deletions over when asked');
  }

  /** For the tables: a record of the checkpoint under way. */
  put(key: Uint8Array, value: Uint8Array): void {
    this.#keys.push(key);
    this.#values.push(value);
  }

  get #queued(): number {
    return this.#keys.length - this.#handed;
  }

  #drainDeletions(limit: number, sink: RecordSink): number {
    if (!this.#deletionsLeft) return 0;
    let taken = 0;
    for (const table of this.#tables) {
      taken += table.drainDeletions(limit - taken, sink);
      if (taken === limit) return taken;
    }
    this.#deletionsLeft = false;
    return taken;
  }

  #handOver(limit: number, sink: RecordSink): number {
    let cost = 0;
    let end = this.#handed;
    for (; cost < limit && end < this.#keys.length; end += 1) {
      const value = this.#values[end] as Uint8Array;
      sink.put(this.#keys[end] as Uint8Array, value);
      cost += 1 + (value.length >>> 10);
    }
    this.#handed = end;
    if (this.#handed === this.#keys.length) {
      this.#keys = [];
      this.#values = [];
      this.#handed = 0;
    }
    return cost;
  }

  #capture(limit: number): void {
    const capturing = this.#capturing;
    if (capturing === undefined) return;
    let left = limit;
    while (left > 0 && this.#table < this.#tables.length) {
      const table = this.#tables[this.#table] as RecordTable;
      left -= table.capture(left);
      if (table.complete) this.#table += 1;
    }
    if (this.#table < this.#tables.length) return;
    const digest = this.#sum();
    this.#lastMark = { index: capturing.index, digest };
    if (capturing.writes && this.#writing !== undefined) this.#writing.digest = digest;
    this.#capturing = undefined;
  }

  #finishCapture(): void {
    while (this.#capturing !== undefined) this.#capture(1 << 20);
  }

  #noteHandedOver(): void {
    const writing = this.#writing;
    if (writing === undefined || writing.digest === undefined || this.#queued > 0 || this.#deletionsLeft) return;
    writing.handedOver = true;
  }

  #sum(): Hash64 {
    let sum = ZERO_HASH;
    for (const table of this.#tables) sum = addHash(sum, table.sum);
    return sum;
  }
}
