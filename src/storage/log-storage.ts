import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import { type Crc32, sameHash } from '../base/hash.ts';
import type { LogIndex } from '../base/ids.ts';
import type { Entry, HardState } from '../raft/types.ts';
import { type Database, type DatabaseBatch, type DatabaseEntry, RANGE_BYTES_DEFAULT } from './disk.ts';
import type { FailureLatch } from './failure-latch.ts';
import { encodeGeneration } from './generation.ts';
import type { Head } from './head.ts';
import { damaged, reading, undecodable } from './damage.ts';
import { entryKey, GENERATION_KEY, indexOfKey, isLogKey, isMetaKey, keyAfter, metaKey } from './keys.ts';
import type { LogCodec, LogMeta, ReadEntry } from './log-record.ts';
import type { Garbage, ScannedLog } from './log-recovery.ts';
import type { LogSizes } from './log-sizes.ts';
import type { LogBatch, LogPosition, LogStorage } from './storage.ts';

/** Most indices whose records one append deletes after a compaction. */
const GARBAGE_PER_APPEND = 512;
/** Garbage is left until there is this much: deletions among appends make LevelDB merge tables that it could have moved. */
const GARBAGE_MIN = 256;
/** The buffer for records is given back when one was larger than this. */
const WRITER_BYTES_MAX = 1024 * 1024;
const WRITER_BYTES_FIRST = 16 * 1024;
const PAGE_RECORDS = 1024;

type HeadChange = Parameters<Head['write']>[0];

/** What the parts of one data directory share. */
export interface LogContext {
  readonly database: Database;
  readonly codec: LogCodec;
  readonly crc32: Crc32;
  readonly head: Head;
  readonly latch: FailureLatch;
  /** The directory, for sentences. */
  readonly location: string;
}

/**
 * `LogStorage` in a database and HEAD. The order of one append:
 *
 *     truncation: HEAD lowered to before it, with the new hard state, synced ─┐
 *     else a new hard state: HEAD written, synced ────────────────────────────┤
 *                                                      one batch, synced ─────┼─▶ HEAD at the new end ─▶ fulfilled
 *     the first entry of a term, meanwhile: HEAD with that term, synced ──────┘
 */
export class DatabaseLog implements LogStorage {
  readonly #context: LogContext;
  readonly #sizes: LogSizes;
  #writer = new ByteWriter(WRITER_BYTES_FIRST);
  readonly #metaWriter = new ByteWriter(512);
  /** As durable, except for `base`, which goes with the next batch. */
  #meta: LogMeta;
  /** Records before the log. Invariant: `from <= base.index + 1`. */
  #garbage: Garbage;
  /** See `Generation.resetTo`. */
  readonly #resetTo: LogPosition;
  #inFlight: Promise<void> | undefined;

  constructor(context: LogContext, scanned: ScannedLog, resetTo: LogPosition) {
    this.#context = context;
    this.#resetTo = resetTo;
    this.#meta = scanned.meta;
    this.#sizes = scanned.sizes;
    this.#garbage = scanned.garbage;
  }

  get firstIndex(): LogIndex {
    return this.#meta.base.index + 1;
  }

  get lastIndex(): LogIndex {
    return this.#meta.last.index;
  }

  get sizeBytes(): number {
    return this.#sizes.bytesFrom(this.firstIndex);
  }

  bytesFrom(index: LogIndex): number {
    return index > this.lastIndex ? 0 : this.#sizes.bytesFrom(index);
  }

  append(batch: LogBatch): Promise<void> {
    return this.#alone(() => this.#append(batch));
  }

  /** Writes one record that is no part of the log into its database, synced. Counts as the append in flight. */
  writeBeside(key: Uint8Array, value: Uint8Array): Promise<void> {
    const { database, latch } = this.#context;
    return this.#alone(() =>
      latch.enter('writing beside the Raft log', () => {
        const steps = database.batch();
        steps.put(key, value);
        return steps.write();
      }),
    );
  }

  async read(from: LogIndex, to: LogIndex, maxBytes: number): Promise<readonly Entry[] | 'compacted'> {
    assert(from <= to && to <= this.lastIndex, 'only durable entries are read');
    this.#context.latch.check();
    if (from < this.firstIndex) return 'compacted';
    const entries: Entry[] = [];
    let previous: ReadEntry | undefined;
    let bytes = 0;
    let next = entryKey(from);
    const end = keyAfter(entryKey(to));
    while (entries.length <= to - from) {
      const page = await this.#page(next, end, maxBytes);
      // A compaction may have taken records while the page was read.
      if (from < this.firstIndex) return 'compacted';
      for (const [key, value] of page) {
        if (isMetaKey(key)) continue;
        const index = from + entries.length;
        if (!isLogKey(key) || indexOfKey(key) !== index) throw this.#missing(index);
        const read = this.#decode(value, index);
        if (previous !== undefined && !sameHash(previous.position.chain, read.previous)) throw this.#unchained(index);
        bytes += read.entry.data.length;
        if (entries.length > 0 && bytes > maxBytes) return entries;
        entries.push(read.entry);
        previous = read;
      }
      const last = page.at(-1);
      if (last === undefined) throw this.#missing(from + entries.length);
      next = keyAfter(last[0]);
      if (bytes >= maxBytes) return entries;
    }
    return entries;
  }

  async compact(firstIndex: LogIndex): Promise<void> {
    assert(firstIndex <= this.lastIndex + 1, 'only entries that are there are let go');
    this.#context.latch.check();
    if (firstIndex <= this.firstIndex) return;
    const base = await this.#positionAt(firstIndex - 1);
    // A later compaction may have been faster.
    if (firstIndex <= this.firstIndex) return;
    assert(base.index <= this.lastIndex, 'what is compacted is not truncated meanwhile');
    this.#meta = { ...this.#meta, base };
    this.#sizes.compact(firstIndex);
  }

  async positionAt(index: LogIndex): Promise<LogPosition> {
    assert(index >= this.#meta.base.index && index <= this.lastIndex, 'only entries that are there have a position');
    this.#context.latch.check();
    return this.#positionAt(index);
  }

  /**
   * The switch to a state that arrived from another peer: one batch that names the new generation and, where the log does not
   * hold the entry at `base`, begins the log anew behind it. Counts as the append in flight.
   */
  switchState(number: number, base: LogPosition): Promise<void> {
    assert(base.index >= this.#meta.base.index, 'a state is not older than the log');
    return this.#alone(() => this.#switchState(number, base));
  }

  /** Fulfilled when no append is in flight, whether it succeeded or not. */
  async settled(): Promise<void> {
    await this.#inFlight?.catch(() => undefined);
  }

  #alone(write: () => Promise<void>): Promise<void> {
    assert(this.#inFlight === undefined, 'one append is in flight at a time');
    this.#inFlight = write().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #append(batch: LogBatch): Promise<void> {
    const { head, latch } = this.#context;
    latch.check();
    const { entries, hardState } = batch;
    const from = entries[0]?.index ?? batch.truncateFrom ?? this.lastIndex + 1;
    assert(from === (batch.truncateFrom ?? this.lastIndex + 1), 'entries follow what stays');
    if (entries.length === 0 && hardState === undefined && batch.truncateFrom === undefined) return;

    const oldLast = this.#meta.last;
    const entryTerm = Math.max(head.record.entryTerm, entries.at(-1)?.term ?? 0);
    let end = oldLast;
    if (from <= oldLast.index) end = await this.#truncateHead(from, { ...voted(hardState), entryTerm });
    else if (hardState !== undefined) await this.#noteInHead({ hardState, entryTerm });

    const { database } = this.#context;
    const steps = database.batch();
    const kept = end;
    for (const entry of entries) end = this.#put(steps, entry, end);
    const meta = { base: this.#meta.base, last: end, hardState: hardState ?? this.#meta.hardState };
    assert(meta.hardState.term >= end.term, 'no entry is of a term that this peer has not reached');
    for (let index = kept.index + 1; index <= oldLast.index; index += 1) {
      if (index > end.index) steps.del(entryKey(index));
      if (index !== end.index) steps.del(metaKey(index));
    }
    const garbage = this.#deleteGarbage(steps, meta.base.index);
    const key = metaKey(end.index);
    this.#context.codec.encodeMeta(this.#metaWriter, key, meta);
    steps.put(key, this.#metaWriter.view());
    const write = latch.guard('writing the Raft log', () => steps.write());
    await (entryTerm > head.record.entryTerm ? this.#together(write, this.#noteInHead({ entryTerm })) : write);

    this.#meta = { base: this.#meta.base, last: meta.last, hardState: meta.hardState };
    this.#garbage = garbage;
    const change = { lastIndex: end.index, lastTerm: end.term, chain: end.chain };
    if (head.syncing === undefined) head.write(change);
    else await head.note(() => change);
  }

  async #switchState(number: number, base: LogPosition): Promise<void> {
    const { database, codec, head, latch, crc32 } = this.#context;
    const { base: oldBase, last } = this.#meta;
    const known = base.index <= last.index ? await this.#positionAt(base.index) : undefined;
    const steps = database.batch();
    if (known?.term === base.term) {
      steps.put(GENERATION_KEY, encodeGeneration({ number, resetTo: this.#resetTo }, crc32));
      await latch.guard('switching the state', () => steps.write());
      return;
    }
    // The leader that had this state behind it was of its term or a later one.
    const hardState =
      base.term > this.#meta.hardState.term ? { term: base.term, votedFor: undefined } : this.#meta.hardState;
    // HEAD comes to stand where both logs count it as chained, so that a crash on either side of the batch finds it right.
    const { index, term, chain } = oldBase;
    await head.save(() => ({ hardState, ...(known === undefined ? {} : { lastIndex: index, lastTerm: term, chain }) }));
    for (let at = base.index + 1; at <= last.index; at += 1) {
      steps.del(entryKey(at));
      steps.del(metaKey(at));
    }
    codec.encodeMeta(this.#metaWriter, metaKey(base.index), { base, last: base, hardState });
    steps.put(metaKey(base.index), this.#metaWriter.view());
    steps.put(GENERATION_KEY, encodeGeneration({ number, resetTo: base }, crc32));
    await latch.guard('switching the state', () => steps.write());
    await head.save(() => ({ lastIndex: base.index, lastTerm: base.term, chain: base.chain }));
  }

  /** Encodes one entry behind `previous` into the batch. Returns the new end. */
  #put(steps: DatabaseBatch, entry: Entry, previous: LogPosition): LogPosition {
    assert(entry.index === previous.index + 1 && entry.term >= previous.term, 'entries are in order of index and term');
    const key = entryKey(entry.index);
    const position = this.#context.codec.encodeEntry(this.#writer, key, entry, previous);
    const record = this.#writer.view();
    steps.put(key, record);
    this.#sizes.add(entry.index, record.length);
    if (record.length > WRITER_BYTES_MAX) this.#writer = new ByteWriter(WRITER_BYTES_FIRST);
    return position;
  }

  /**
   * Before entries from `from` on go: HEAD is lowered and synced, else a crash between the two would look like a lost
   * tail. Returns the end that stays.
   */
  async #truncateHead(from: LogIndex, beside: HeadChange): Promise<LogPosition> {
    assert(from >= this.firstIndex, 'what was compacted is committed and is not truncated');
    const end = await this.#positionAt(from - 1);
    this.#sizes.truncate(from, await this.#bytesBetween(from, this.lastIndex));
    await this.#noteInHead({ ...beside, lastIndex: end.index, lastTerm: end.term, chain: end.chain });
    return end;
  }

  /** Both are over when it ends, whatever became of them. */
  async #together(...writes: readonly Promise<void>[]): Promise<void> {
    const results = await Promise.allSettled(writes);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #noteInHead(change: HeadChange): Promise<void> {
    await this.#context.head.save(() => change);
  }

  /** Adds deletions of records before the log to the batch. Returns what is left of them after it. */
  #deleteGarbage(steps: DatabaseBatch, baseIndex: LogIndex): Garbage {
    const { from, gap } = this.#garbage;
    if (gap !== undefined && from >= gap.from) return { from: Math.max(from, gap.to), gap: undefined };
    if (baseIndex + 1 - from < GARBAGE_MIN) return this.#garbage;
    const to = Math.min(from + GARBAGE_PER_APPEND, baseIndex + 1, gap?.from ?? baseIndex + 1);
    for (let index = from; index < to; index += 1) {
      steps.del(entryKey(index));
      steps.del(metaKey(index));
    }
    return { from: to, gap };
  }

  /** The position of an entry that is there, or of the base. */
  async #positionAt(index: LogIndex): Promise<LogPosition> {
    if (index === this.#meta.base.index) return this.#meta.base;
    if (index === this.#meta.last.index) return this.#meta.last;
    const { database, location } = this.#context;
    const value = await reading('log', location, () => database.get(entryKey(index)));
    if (value === undefined) throw this.#missing(index);
    return this.#decode(value, index).position;
  }

  /** Bytes of the records of entries `from` to `to`, both inclusive. */
  async #bytesBetween(from: LogIndex, to: LogIndex): Promise<number> {
    let bytes = 0;
    let next = entryKey(from);
    const end = keyAfter(entryKey(to));
    for (;;) {
      const page = await this.#page(next, end, RANGE_BYTES_DEFAULT);
      for (const [key, value] of page) if (!isMetaKey(key)) bytes += value.length;
      const last = page.at(-1);
      if (last === undefined) return bytes;
      next = keyAfter(last[0]);
    }
  }

  #page(gte: Uint8Array, lt: Uint8Array, maxBytes: number): Promise<readonly DatabaseEntry[]> {
    const { database, location } = this.#context;
    const options = { gte, lt, limit: PAGE_RECORDS, maxBytes: Math.max(maxBytes, 1) };
    return reading('log', location, () => database.range(options));
  }

  #decode(value: Uint8Array, index: LogIndex): ReadEntry {
    try {
      return this.#context.codec.decodeEntry(value, index);
    } catch (error) {
      throw undecodable(error, 'LOG_DAMAGED', this.#context.location, `entry ${index} of the Raft log`, index);
    }
  }

  #missing(index: LogIndex): Error {
    return damaged('LOG_DAMAGED', this.#context.location, `entry ${index} is missing in the Raft log`, { index });
  }

  #unchained(index: LogIndex): Error {
    const what = `entry ${index} does not follow the entry before it in the Raft log`;
    return damaged('LOG_DAMAGED', this.#context.location, what, { index });
  }
}

function voted(hardState: HardState | undefined): HeadChange {
  return hardState === undefined ? {} : { hardState };
}
