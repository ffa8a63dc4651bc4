import { sameHash } from '../base/hash.ts';
import type { LogIndex } from '../base/ids.ts';
import { memoryBytesOf } from '../raft/log.ts';
import { type ConfigurationRecord, type Entry, EntryKind, type HardState, type TermRun } from '../raft/types.ts';
import type { Database, DatabaseEntry } from './disk.ts';
import type { HeadRecord } from './head.ts';
import { damaged, undecodable } from './damage.ts';
import { entryKey, indexOfKey, isLogKey, isMetaKey, keyAfter, LOG_KEYS_END, LOG_KEYS_START, metaKey } from './keys.ts';
import { type LogCodec, type LogMeta, LOG_START } from './log-record.ts';
import { LogSizes } from './log-sizes.ts';
import type { LogPosition } from './storage.ts';
import type { StorageError } from './storage-error.ts';

/** The log as it was found, whole. */
export interface ScannedLog {
  readonly meta: LogMeta;
  readonly termRuns: readonly TermRun[];
  /** The newest entries within the budget, up to the last. */
  readonly entries: readonly Entry[];
  readonly sizes: LogSizes;
  /** Every entry of the kind `configuration`. */
  readonly configurations: readonly ConfigurationRecord[];
  /** What lies before the log and may be deleted. */
  readonly garbage: Garbage;
}

/** The indices whose records may still be there although the log begins later: from `from` on, but for a gap. */
export interface Garbage {
  readonly from: LogIndex;
  /** Nothing lies from `gap.from` to before `gap.to`: the log was reset from there to here by a snapshot. */
  readonly gap: { readonly from: LogIndex; readonly to: LogIndex } | undefined;
}

/** What a log is read and checked with. */
export interface ScanContext {
  readonly database: Database;
  readonly codec: LogCodec;
  readonly head: HeadRecord;
  /** The directory, for sentences. */
  readonly location: string;
}

const PAGE_RECORDS = 1024;
const PAGE_BYTES = 1024 * 1024;

/**
 * Reads the whole retained log and checks it: every checksum, no gap, the chain, terms in order, and agreement with its
 * meta record and with HEAD.
 *
 * What LevelDB lost shows in one of three ways. A block dropped from the middle leaves a gap, since later entries are
 * there. A lost end takes the newest meta records with it, so the log looks whole but ends before HEAD. Rot in a table
 * shows in a checksum.
 *
 * @param budgetBytes How much memory of the newest entries to keep.
 * @param resetTo Where a snapshot reset the log to, see `Generation`.
 * @throws StorageError `LOG_DAMAGED`, `LOG_TAIL_LOST`, `META_DAMAGED`, `HEAD_DAMAGED` or `FORMAT_UNKNOWN`
 */
export async function scanLog(
  context: ScanContext,
  budgetBytes: number,
  resetTo: LogPosition = LOG_START,
): Promise<ScannedLog> {
  const { database, head, location } = context;
  const meta = await readMeta(context);
  const scan = new Scan(context, meta, budgetBytes);
  let from = entryKey(meta.base.index + 1);
  for (;;) {
    const page = await database.range({ gte: from, lt: LOG_KEYS_END, limit: PAGE_RECORDS, maxBytes: PAGE_BYTES });
    for (const record of page) scan.record(record);
    const last = page.at(-1);
    if (last === undefined) break;
    from = keyAfter(last[0]);
  }
  scan.finish();
  const hardState = newerHardState(meta.hardState, head.hardState, meta.last, location);
  return {
    meta: { ...meta, hardState },
    termRuns: scan.termRuns,
    entries: scan.keptEntries(),
    sizes: scan.sizes,
    configurations: scan.configurations,
    garbage: await findGarbage(database, meta.base.index, resetTo.index),
  };
}

async function findGarbage(database: Database, baseIndex: LogIndex, resetIndex: LogIndex): Promise<Garbage> {
  const lowest = (await database.range({ gte: LOG_KEYS_START, lt: entryKey(baseIndex + 1), limit: 1 }))[0]?.[0];
  const from = lowest !== undefined && isLogKey(lowest) ? indexOfKey(lowest) : baseIndex + 1;
  if (from > resetIndex) return { from, gap: undefined };
  const below = { gte: LOG_KEYS_START, lt: metaKey(resetIndex), reverse: true, limit: 1 };
  const highest = (await database.range(below))[0]?.[0];
  const gap =
    highest !== undefined && isLogKey(highest) ? { from: indexOfKey(highest) + 1, to: resetIndex + 1 } : undefined;
  return { from, gap };
}

/** The meta record of the newest batch, which is the last record of all. */
async function readMeta({ database, codec, head, location }: ScanContext): Promise<LogMeta> {
  const newest = (await database.range({ gte: LOG_KEYS_START, lt: LOG_KEYS_END, reverse: true, limit: 1 }))[0];
  if (newest === undefined) {
    if (head.lastIndex > 0) throw tailLost(location, 0, head);
    return { base: LOG_START, last: LOG_START, hardState: head.hardState };
  }
  const [key, value] = newest;
  if (!isMetaKey(key)) {
    throw damaged('META_DAMAGED', location, 'the record that tells where the Raft log ends is missing');
  }
  try {
    return codec.decodeMeta(value, indexOfKey(key));
  } catch (error) {
    throw undecodable(error, 'META_DAMAGED', location, 'the record that tells where the Raft log ends');
  }
}

/** One pass over the records in order. */
class Scan {
  readonly #meta: LogMeta;
  readonly #codec: LogCodec;
  readonly #head: HeadRecord;
  readonly #location: string;
  readonly #budgetBytes: number;
  readonly termRuns: TermRun[] = [];
  readonly sizes: LogSizes;
  readonly configurations: ConfigurationRecord[] = [];
  readonly #entries: Entry[] = [];
  /** Before it, `#entries` holds what fell out of the budget. */
  #entriesStart = 0;
  #entriesBytes = 0;
  /** The last entry that was found right. */
  #position: LogPosition;

  constructor(context: ScanContext, meta: LogMeta, budgetBytes: number) {
    this.#meta = meta;
    this.#codec = context.codec;
    this.#head = context.head;
    this.#location = context.location;
    this.#budgetBytes = budgetBytes;
    this.#position = meta.base;
    this.sizes = new LogSizes(meta.base.index + 1);
  }

  /** Checks the next record in the order of keys. */
  record([key, value]: DatabaseEntry): void {
    // Older meta records are superseded; what they said was checked in their time.
    if (isMetaKey(key)) return;
    const index = this.#position.index + 1;
    if (!isLogKey(key)) throw this.#damage(index, `where entry ${index} belongs there is a record of an unknown key`);
    const found = indexOfKey(key);
    if (found !== index) throw this.#damage(index, `entry ${index} is missing, and entry ${found} is there`);
    if (index > this.#meta.last.index)
      throw this.#damage(index, `entry ${index} is there although the log ends before it`);
    let read;
    try {
      read = this.#codec.decodeEntry(value, index);
    } catch (error) {
      throw undecodable(error, 'LOG_DAMAGED', this.#location, `entry ${index} of the Raft log`, index);
    }
    if (!sameHash(read.previous, this.#position.chain)) {
      throw this.#damage(index, `entry ${index} does not follow the entry before it`);
    }
    const { term } = read.entry;
    if (term < this.#position.term)
      throw this.#damage(index, `entry ${index} has an older term than the entry before it`);
    if (term !== this.termRuns.at(-1)?.term) this.termRuns.push({ index, term });
    this.#position = read.position;
    this.sizes.add(index, read.sizeBytes);
    this.#keep(read.entry);
    if (read.entry.kind === EntryKind.configuration) {
      this.configurations.push({ index, data: read.entry.data.slice() });
    }
    this.#compareWithHead();
  }

  /** Checks that the end is where it should be. */
  finish(): void {
    const { last } = this.#meta;
    const { index, term, chain } = this.#position;
    if (index < last.index) throw this.#damage(index + 1, `entry ${index + 1} is missing`);
    if (this.#head.lastIndex > index) throw tailLost(this.#location, index, this.#head);
    if (term !== last.term || !sameHash(chain, last.chain)) {
      throw damaged(
        'META_DAMAGED',
        this.#location,
        'the record that tells where the Raft log ends contradicts the log',
      );
    }
  }

  keptEntries(): readonly Entry[] {
    return this.#entries.slice(this.#entriesStart);
  }

  #keep(entry: Entry): void {
    this.#entries.push(entry);
    this.#entriesBytes += memoryBytesOf(entry);
    while (this.#entriesBytes > this.#budgetBytes && this.#entriesStart < this.#entries.length) {
      this.#entriesBytes -= memoryBytesOf(this.#entries[this.#entriesStart] as Entry);
      this.#entriesStart += 1;
    }
    // Dropped in bulk, so that the pass stays linear.
    if (this.#entriesStart > 1024 && this.#entriesStart * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#entriesStart);
      this.#entriesStart = 0;
    }
  }

  /** A HEAD at or before the base was written before the log was compacted or reset to there: it counts as chained. */
  #compareWithHead(): void {
    if (this.#position.index !== this.#head.lastIndex) return;
    const same: boolean =
      this.#position.term === this.#head.lastTerm && sameHash(this.#position.chain, this.#head.chain);
    if (!same) {
      const { index } = this.#position;
      throw this.#damage(index, `entry ${index} is not the one that this peer acknowledged`);
    }
  }

  #damage(index: LogIndex, what: string): StorageError {
    return damaged('LOG_DAMAGED', this.#location, `${what} in the Raft log`, { index });
  }
}

/**
 * The newer of two hard states; they are written one after the other, so either may be ahead after a crash.
 * @param last The end of the log.
 * @throws StorageError `HEAD_DAMAGED`
 */
export function newerHardState(log: HardState, head: HardState, last: LogPosition, location: string): HardState {
  const contradict =
    log.term === head.term &&
    log.votedFor !== undefined &&
    head.votedFor !== undefined &&
    log.votedFor !== head.votedFor;
  if (contradict) throw damaged('HEAD_DAMAGED', location, `HEAD and the log name different votes in term ${log.term}`);
  const newer = log.term > head.term || (log.term === head.term && log.votedFor !== undefined) ? log : head;
  if (newer.term < last.term) {
    const what = `the last entry is of term ${last.term}, which this peer never reached by what HEAD says`;
    throw damaged('HEAD_DAMAGED', location, what);
  }
  return newer;
}

function tailLost(location: string, lastIndex: LogIndex, head: HeadRecord): StorageError {
  const found = lastIndex === 0 ? 'the Raft log is empty' : `the Raft log ends with entry ${lastIndex}`;
  return damaged(
    'LOG_TAIL_LOST',
    location,
    `${found} although this peer had acknowledged entries up to ${head.lastIndex}`,
    { index: lastIndex + 1 },
  );
}
