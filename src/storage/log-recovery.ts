import { sameHash } from '../base/hash.ts';
import type { LogIndex } from '../base/ids.ts';
import type { Entry, HardState, TermRun } from '../raft/types.ts';
import type { Database, DatabaseEntry } from './disk.ts';
import type { HeadRecord } from './head.ts';
import { entryKey, indexOfKey, isMetaKey, keyAfter, LOG_KEYS_END, LOG_KEYS_START } from './keys.ts';
import { type LogCodec, type LogMeta, LOG_START, type LogPosition } from './log-record.ts';
import { LogSizes } from './log-sizes.ts';
import { damaged, undecodable } from './damage.ts';
import type { StorageError } from './storage-error.ts';

/** The log as it was found, whole. */
export interface ScannedLog {
  readonly meta: LogMeta;
  readonly termRuns: readonly TermRun[];
  /** The newest entries within the budget, up to the last. */
  readonly entries: readonly Entry[];
  readonly sizes: LogSizes;
  /** The first index whose records are still there although the log begins later. */
  readonly garbageFrom: LogIndex;
}

const PAGE_RECORDS = 4096;
const PAGE_BYTES = 4 * 1024 * 1024;

/**
 * Reads the whole retained log and checks it: every checksum, no gap, the chain, terms in order, and agreement with its
 * meta record and with HEAD.
 *
 * What LevelDB lost shows in one of three ways. A block dropped from the middle leaves a gap, since later entries are
 * there. A lost end takes the newest meta records with it, so the log looks whole but ends before HEAD. Rot in a table
 * shows in a checksum.
 *
 * @param budgetBytes How much data of the newest entries to keep in memory.
 * @throws StorageError `LOG_DAMAGED`, `LOG_TAIL_LOST`, `META_DAMAGED`, `HEAD_DAMAGED` or `FORMAT_UNKNOWN`
 */
export async function scanLog(
  database: Database,
  codec: LogCodec,
  head: HeadRecord,
  location: string,
  budgetBytes: number,
): Promise<ScannedLog> {
  const meta = await readMeta(database, codec, head, location);
  const scan = new Scan(meta, codec, head, location, budgetBytes);
  let from = entryKey(meta.base.index + 1);
  for (;;) {
    const page = await database.range({ gte: from, lt: LOG_KEYS_END, limit: PAGE_RECORDS, maxBytes: PAGE_BYTES });
    for (const record of page) scan.record(record);
    const last = page.at(-1);
    if (last === undefined) break;
    from = keyAfter(last[0]);
  }
  scan.finish();
  const lowest = await database.range({ gte: LOG_KEYS_START, lt: LOG_KEYS_END, limit: 1 });
  const lowestIndex = lowest[0] === undefined ? meta.base.index + 1 : indexOfKey(lowest[0][0]);
  return {
    meta: { ...meta, hardState: newerHardState(meta.hardState, head.hardState, meta, location) },
    termRuns: scan.termRuns,
    entries: scan.keptEntries(),
    sizes: scan.sizes,
    garbageFrom: Math.min(lowestIndex, meta.base.index + 1),
  };
}

/** The meta record of the newest batch, which is the last record of all. */
async function readMeta(database: Database, codec: LogCodec, head: HeadRecord, location: string): Promise<LogMeta> {
  const newest = (await database.range({ gte: LOG_KEYS_START, lt: LOG_KEYS_END, reverse: true, limit: 1 }))[0];
  if (newest === undefined) {
    if (head.lastIndex > 0) throw tailLost(location, 0, head);
    return { base: LOG_START, last: LOG_START, hardState: head.hardState, lowestMatchIndex: 0 };
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
  readonly #entries: Entry[] = [];
  /** Before it, `#entries` holds what fell out of the budget. */
  #entriesStart = 0;
  #entriesBytes = 0;
  /** The last entry that was found right. */
  #position: LogPosition;

  constructor(meta: LogMeta, codec: LogCodec, head: HeadRecord, location: string, budgetBytes: number) {
    this.#meta = meta;
    this.#codec = codec;
    this.#head = head;
    this.#location = location;
    this.#budgetBytes = budgetBytes;
    this.#position = meta.base;
    this.sizes = new LogSizes(meta.base.index + 1);
  }

  /** Checks the next record in the order of keys. */
  record([key, value]: DatabaseEntry): void {
    // Older meta records are superseded; what they said was checked in their time.
    if (isMetaKey(key)) return;
    const index = this.#position.index + 1;
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
    this.#entriesBytes += entry.data.length;
    while (this.#entriesBytes > this.#budgetBytes && this.#entriesStart < this.#entries.length) {
      this.#entriesBytes -= (this.#entries[this.#entriesStart] as Entry).data.length;
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

/** The newer of two hard states; they are written one after the other, so either may be ahead after a crash. */
function newerHardState(log: HardState, head: HardState, meta: LogMeta, location: string): HardState {
  const contradict =
    log.term === head.term &&
    log.votedFor !== undefined &&
    head.votedFor !== undefined &&
    log.votedFor !== head.votedFor;
  if (contradict) throw damaged('HEAD_DAMAGED', location, `HEAD and the log name different votes in term ${log.term}`);
  const newer = log.term > head.term || (log.term === head.term && log.votedFor !== undefined) ? log : head;
  if (newer.term < meta.last.term) {
    throw damaged(
      'META_DAMAGED',
      location,
      `the last entry is of term ${meta.last.term}, which this peer never reached`,
    );
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
