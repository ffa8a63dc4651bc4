import type { Crc32 } from '../base/hash.ts';
import { sameHash } from '../base/hash.ts';
import type { Disk, HeadSlot } from './disk.ts';
import { decodeSlot, encodeSlot, type HeadRecord, type SlotContent } from './head.ts';
import { damaged } from './damage.ts';
import { StorageError } from './storage-error.ts';
import { ByteWriter } from '../base/bytes.ts';
import { HEAD_SLOT_BYTES } from './disk.ts';

/** HEAD as it was found: its newest slot, durable. */
export interface FoundHead {
  readonly slot: HeadSlot;
  readonly sequence: number;
  readonly record: HeadRecord;
  /** True when the other slot did not read: a write that a crash tore, or rot. */
  readonly otherDamaged: boolean;
}

/**
 * Reads HEAD and makes it durable as it was read. Undefined when it was never written.
 *
 * One damaged slot is survived: the other is what was synced before, and the hard state is in the log as well. So is a
 * torn first write: as long as slot 1 was never written and the databases are empty, nothing was ever promised.
 * @param databasesEmpty True when neither database holds anything.
 * @throws StorageError `HEAD_DAMAGED` or `FORMAT_UNKNOWN`
 */
export async function findHead(disk: Disk, crc32: Crc32, databasesEmpty: boolean): Promise<FoundHead | undefined> {
  const sectors = await disk.readHead();
  if (sectors === undefined) return undefined;
  const slots = sectors.map((sector) => decodeSlot(sector, crc32));
  const [first, second] = slots as [SlotContent, SlotContent];
  if (second.state === 'empty' && (first.state === 'empty' || (first.state === 'damaged' && databasesEmpty))) {
    return undefined;
  }
  if (slots.some((slot) => slot.state === 'unknown')) {
    const message = `${disk.location}: HEAD was written by a later version of Taskraft. Start that version.`;
    throw new StorageError('FORMAT_UNKNOWN', message);
  }
  const found = newest(first, second, disk.location);
  // What was read may be no further than the page cache, and the next write goes to the other slot.
  await disk.syncHead();
  return found;
}

/**
 * Whether others have a copy of what the directory holds, as far as HEAD can be read and tells; see `OpenedStorage.shared`. Never
 * rejects: where nothing is known, the caller has another way to judge.
 */
export async function sharedByHead(disk: Disk, crc32: Crc32): Promise<boolean | undefined> {
  try {
    return (await findHead(disk, crc32, false))?.record.shared;
  } catch {
    return undefined;
  }
}

/** The first HEAD of a directory, durable. */
export async function makeHead(disk: Disk, record: HeadRecord, crc32: Crc32): Promise<FoundHead> {
  const writer = new ByteWriter(HEAD_SLOT_BYTES);
  encodeSlot(writer, 1, record, crc32);
  disk.writeHeadSlot(0, writer.view());
  await disk.syncHead();
  return { slot: 0, sequence: 1, record, otherDamaged: false };
}

function newest(first: SlotContent, second: SlotContent, location: string): FoundHead {
  if (first.state !== 'valid' && second.state !== 'valid') {
    throw damaged('HEAD_DAMAGED', location, 'neither slot of HEAD reads, so it is not known how this peer voted');
  }
  if (second.state !== 'valid') return asFound(0, first, second);
  if (first.state !== 'valid') return asFound(1, second, first);
  const sameOwner =
    sameHash(first.record.cluster, second.record.cluster) &&
    first.record.peerId === second.record.peerId &&
    first.record.incarnation === second.record.incarnation;
  if (!sameOwner || first.sequence === second.sequence) {
    throw damaged('HEAD_DAMAGED', location, 'the two slots of HEAD contradict each other');
  }
  return first.sequence > second.sequence ? asFound(0, first, second) : asFound(1, second, first);
}

function asFound(slot: HeadSlot, content: SlotContent, other: SlotContent): FoundHead {
  if (content.state !== 'valid') throw new RangeError('only a valid slot is found');
  // The second write fills the other slot, and the third comes only when that is synced.
  const otherDamaged = other.state === 'damaged' || (other.state === 'empty' && content.sequence > 2);
  return { slot, sequence: content.sequence, record: content.record, otherDamaged };
}
