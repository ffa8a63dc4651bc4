/**
 * Makes a damaged log whole again as far as one peer can: what is right stays, from the first damage on everything goes, and
 * HEAD records how far the log had reached before, so that this peer goes on voting by that and takes no part in what it has
 * forgotten (Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018: damaged is not absent).
 *
 *     survey ─▶ HEAD: recorded damage, end lowered, synced ─▶ records behind the end deleted ─▶ the new end written
 *
 * A crash anywhere leaves a log with the same damage or with a cut one, which the next survey finds; what HEAD has recorded
 * only grows until `healed`.
 */
import { assert } from '../base/assert.ts';
import { ByteWriter, DecodeError } from '../base/bytes.ts';
import { sameHash, ZERO_HASH } from '../base/hash.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import type { HardState } from '../raft/types.ts';
import { reading, undecodable } from './damage.ts';
import { furtherEntry, type Head, type HeadRecord, type LastEntry } from './head.ts';
import {
  compareKeys,
  entryKey,
  indexOfKey,
  isEntryKey,
  isLogKey,
  isMetaKey,
  keyAfter,
  LOG_KEYS_END,
  LOG_KEYS_START,
  metaKey,
} from './keys.ts';
import { type LogMeta, LOG_START, type ReadEntry } from './log-record.ts';
import { newerHardState, type ScanContext } from './log-recovery.ts';
import { UnknownFormatError } from './record.ts';
import type { Checkpoint, LogPosition } from './storage.ts';

/** What a repair did. */
export interface LogRepair {
  /** The first entry that is gone; undefined when nothing is missing that this peer had acknowledged. */
  readonly cutFrom: LogIndex | undefined;
}

/** What can be made of a damaged log. */
interface Survey {
  readonly base: LogPosition;
  /** The last entry of those that are right. */
  readonly end: LogPosition;
  readonly hardState: HardState;
  /** At or behind everything that this peer ever acknowledged. */
  readonly recorded: LastEntry;
  /** True when nothing behind `base` is missing. */
  readonly complete: boolean;
}

/** The newest meta record that reads, and what lies behind it. */
interface NewestMeta {
  readonly meta: LogMeta | undefined;
  /** True when it is the newest record of all. */
  readonly isLast: boolean;
  /** The furthest entry that a record behind it tells of. */
  readonly behind: LastEntry | undefined;
}

const PAGE_RECORDS = 4096;

/**
 * Repairs the log. When it is damaged up to the last checkpoint only, nothing is missing: then it begins behind that.
 * @throws StorageError `LOG_DAMAGED` when the database itself cannot be read, `HEAD_DAMAGED` or `FORMAT_UNKNOWN`
 */
export async function repairLog(
  context: ScanContext,
  head: Head,
  checkpoint: Checkpoint | undefined,
): Promise<LogRepair> {
  const survey = await reading('log', context.location, () => surveyLog(context, checkpoint));
  const { end, hardState, recorded, complete } = survey;
  if (!complete) {
    head.write({ hardState, lastIndex: end.index, lastTerm: end.term, chain: end.chain, damage: recorded });
    await head.sync();
  }
  await writeEnd(context, survey);
  return { cutFrom: complete ? undefined : end.index + 1 };
}

async function surveyLog(context: ScanContext, checkpoint: Checkpoint | undefined): Promise<Survey> {
  const { head, location } = context;
  const { meta, isLast, behind } = await findMeta(context);
  let base = meta?.base ?? LOG_START;
  let end = await walk(context, base);
  if (checkpoint !== undefined && end.index < checkpoint.index) {
    const { index, term } = checkpoint;
    base = { index, term, chain: await chainAt(context, index, meta) };
    end = await walk(context, base);
  }
  const hardState = newerHardState(meta?.hardState ?? head.hardState, head.hardState, end, location);
  const evidence = [{ lastIndex: end.index, lastTerm: end.term }];
  if (meta !== undefined) evidence.push({ lastIndex: meta.last.index, lastTerm: meta.last.term });
  if (behind !== undefined) evidence.push(behind);
  const recorded = evidence.reduce<LastEntry>(furtherEntry, furtherEntry(head.damage, head));
  const atMeta = meta !== undefined && samePosition(end, meta.last);
  return { base, end, hardState, recorded, complete: atMeta && isLast && head.lastIndex <= end.index };
}

/** Looks for the newest meta record that reads, from the end of the log. */
async function findMeta({ database, codec, head, location }: ScanContext): Promise<NewestMeta> {
  let behind: LastEntry | undefined;
  let isLast = true;
  let lt = LOG_KEYS_END;
  for (;;) {
    const page = await database.range({ gte: LOG_KEYS_START, lt, reverse: true, limit: PAGE_RECORDS });
    for (const [key, value] of page) {
      if (isMetaKey(key)) {
        const meta = readable(() => codec.decodeMeta(value, indexOfKey(key)), location);
        if (meta !== undefined) return { meta, isLast, behind };
      }
      isLast = false;
      if (!isLogKey(key) || !Number.isSafeInteger(indexOfKey(key))) continue;
      const lastIndex = indexOfKey(key);
      const read = isEntryKey(key) ? readable(() => codec.decodeEntry(value, lastIndex), location) : undefined;
      const lastTerm = read?.entry.term ?? lastTermAt(head, lastIndex);
      behind = furtherEntry(behind, { lastIndex, lastTerm });
    }
    const last = page.at(-1);
    if (last === undefined) return { meta: undefined, isLast: false, behind };
    lt = last[0];
  }
}

/**
 * The latest term that entry `index` can be of, which does not read, if it was acknowledged. One that is recorded too late keeps this
 * peer from voting for whoever has everything; one too early lets it vote for whoever has not.
 */
function lastTermAt(head: HeadRecord, index: LogIndex): Term {
  if (index <= head.lastIndex) return head.lastTerm;
  return head.entryTerm > 0 ? head.entryTerm : head.hardState.term;
}

/** The last entry behind `base` up to which everything is right, and agrees with HEAD. */
async function walk({ database, codec, head, location }: ScanContext, base: LogPosition): Promise<LogPosition> {
  let end = base;
  let from = entryKey(base.index + 1);
  for (;;) {
    const page = await database.range({ gte: from, lt: LOG_KEYS_END, limit: PAGE_RECORDS });
    for (const [key, value] of page) {
      if (isMetaKey(key)) continue;
      const index = end.index + 1;
      if (!isEntryKey(key) || indexOfKey(key) !== index) return end;
      const read = readable(() => codec.decodeEntry(value, index), location);
      if (read === undefined || !follows(read, end)) return end;
      const agrees = index !== head.lastIndex || sameHash(read.position.chain, head.chain);
      if (!agrees) return end;
      end = read.position;
    }
    const last = page.at(-1);
    if (last === undefined) return end;
    from = keyAfter(last[0]);
  }
}

function follows(read: ReadEntry, previous: LogPosition): boolean {
  return sameHash(read.previous, previous.chain) && read.entry.term >= previous.term;
}

/**
 * The chain up to entry `index`, which is lost itself: the entry after it tells, or the end of the log. Where nobody knows,
 * the chain begins anew.
 */
async function chainAt(
  context: ScanContext,
  index: LogIndex,
  meta: LogMeta | undefined,
): Promise<LogPosition['chain']> {
  const { database, codec, head, location } = context;
  const next = await database.get(entryKey(index + 1));
  const read = next === undefined ? undefined : readable(() => codec.decodeEntry(next, index + 1), location);
  if (read !== undefined) return read.previous;
  if (meta?.last.index === index) return meta.last.chain;
  return head.lastIndex === index ? head.chain : ZERO_HASH;
}

/** Deletes what lies behind the end, from the top, and then says where the log begins and ends. */
async function writeEnd({ database, codec }: ScanContext, { base, end, hardState }: Survey): Promise<void> {
  assert(base.index <= end.index, 'a log ends where it begins, or behind it');
  const key = metaKey(end.index);
  const gte = keyAfter(entryKey(end.index));
  let lt = LOG_KEYS_END;
  for (;;) {
    const page = await database.range({ gte, lt, reverse: true, limit: PAGE_RECORDS });
    const last = page.at(-1);
    if (last === undefined) break;
    lt = last[0];
    const steps = database.batch();
    for (const [found] of page) if (compareKeys(found, key) !== 0) steps.del(found);
    await steps.write();
  }
  const writer = new ByteWriter();
  codec.encodeMeta(writer, key, { base, last: end, hardState });
  const steps = database.batch();
  steps.put(key, writer.view());
  await steps.write();
}

/** What `decode` returns; undefined when the record is damaged. A record of a later version is no damage. */
function readable<Value>(decode: () => Value, location: string): Value | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof UnknownFormatError) {
      throw undecodable(error, 'LOG_DAMAGED', location, 'a record of the Raft log');
    }
    if (error instanceof DecodeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function samePosition(left: LogPosition, right: LogPosition): boolean {
  return left.index === right.index && left.term === right.term && sameHash(left.chain, right.chain);
}

/**
 * Before a log is given up that cannot be read at all: HEAD records how far it had reached, and stands at the start of the one
 * that will be made anew.
 */
export async function recordLostLog(head: Head): Promise<void> {
  const { record } = head;
  const { index, term, chain } = LOG_START;
  head.write({ lastIndex: index, lastTerm: term, chain, damage: furtherEntry(record.damage, record) });
  await head.sync();
}
