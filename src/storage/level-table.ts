/**
 * Checks a table of LevelDB before LevelDB reads it. LevelDB takes the structure of a table for right: a length that rotted in a
 * data block ends the whole process by a failed assertion in native code, again at each start; a filter that rotted hides keys
 * that are there; a sequence that rotted hides a record, or brings back one that was overwritten. So this checks what only LevelDB
 * sees: the footer, the checksums of index and filter, that the blocks follow each other without a gap, and within each block that
 * lengths fit, restart points lie on entries, and keys ascend. For the log that is enough: every record has a checksum of its own
 * and follows from the one before it, so that a rotten one costs what lies behind it and not the whole. Of the state every block's
 * checksum is compared, since a record that is missing there, or an older one, is missed by nobody.
 *
 * The format is that of LevelDB 1.20, as its source documents it.
 */
import { ByteReader, DecodeError } from '../base/bytes.ts';
import { crc32c } from './crc32c.ts';
import { compareKeys } from './keys.ts';

/** The footer: two handles, padding, a magic number. */
const FOOTER_BYTES = 48;
const MAGIC = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
/** Behind each block: its type and the masked CRC-32C of block and type. */
const TRAILER_BYTES = 5;
/** What LevelDB puts behind a user's key: a sequence and a type, little-endian. */
const KEY_TAIL_BYTES = 8;
const KEY_TYPE_MAX = 1;
const NO_COMPRESSION = 0;

interface Handle {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Called with each entry of a block, in order. Key and value are views that do not last. */
type Visit = (key: Uint8Array, value: Uint8Array) => void;

/**
 * Checks one block a step, so that a directory of gigabytes holds nobody up.
 * @param allChecksums Whether the checksums of the data are compared, too.
 * @throws DecodeError when `file` is not a table that LevelDB can read without harm
 */
export function* checkTable(file: Uint8Array, allChecksums: boolean): Generator<void, void> {
  if (file.length < FOOTER_BYTES) throw new DecodeError(`it has ${file.length} bytes and no footer`);
  const footerAt = file.length - FOOTER_BYTES;
  const footer = new ByteReader(file, footerAt);
  const metaIndex = readHandle(footer);
  const index = readHandle(footer);
  const magic = file.subarray(file.length - MAGIC.length);
  if (MAGIC.some((byte, at) => magic[at] !== byte)) throw new DecodeError('its footer has another magic number');

  let filter: Handle | undefined;
  forEachEntry(checkedBlock(file, metaIndex), (_key, value) => {
    filter = readHandle(new ByteReader(value));
  });
  if (filter !== undefined) checkedBlock(file, filter);
  const dataEnd = filter?.offset ?? metaIndex.offset;
  let at = 0;
  let last: Uint8Array = new Uint8Array(0);
  const blocks: (readonly [separator: Uint8Array, handle: Handle])[] = [];
  forEachEntry(checkedBlock(file, index), (separator, value) => {
    blocks.push([separator.slice(), readHandle(new ByteReader(value))]);
  });
  for (const [separator, handle] of blocks) {
    yield;
    if (handle.offset !== at) throw new DecodeError(`a block begins at ${handle.offset} and not at ${at}`);
    last = checkDataBlock(allChecksums ? checkedBlock(file, handle) : blockAt(file, handle), last);
    if (compareInternal(last, separator) > 0) throw new DecodeError('a key is behind its block');
    last = separator;
    at = handle.offset + handle.sizeBytes + TRAILER_BYTES;
  }
  if (at !== dataEnd) throw new DecodeError(`its blocks end at ${at} and not at ${dataEnd}`);
}

function readHandle(reader: ByteReader): Handle {
  return { offset: reader.varint(), sizeBytes: reader.varint() };
}

function blockAt(file: Uint8Array, { offset, sizeBytes }: Handle): Uint8Array {
  if (offset + sizeBytes + TRAILER_BYTES > file.length) throw new DecodeError('a block lies beyond its end');
  if (file[offset + sizeBytes] !== NO_COMPRESSION) throw new DecodeError('a block is of an unknown type');
  return file.subarray(offset, offset + sizeBytes);
}

/** A block whose checksum is right. */
function checkedBlock(file: Uint8Array, handle: Handle): Uint8Array {
  const block = blockAt(file, handle);
  const end = handle.offset + handle.sizeBytes;
  const stored = new ByteReader(file, end + 1).u32();
  if (maskedCrc32c(file, handle.offset, end + 1) !== stored) {
    throw new DecodeError('the checksum of a block does not match');
  }
  return block;
}

/** Returns the last key. */
function checkDataBlock(block: Uint8Array, before: Uint8Array): Uint8Array {
  let last = before;
  forEachEntry(block, (key) => {
    if (key.length < KEY_TAIL_BYTES) throw new DecodeError('a key is too short');
    if ((key[key.length - KEY_TAIL_BYTES] as number) > KEY_TYPE_MAX)
      throw new DecodeError('a key is of an unknown type');
    if (last.length > 0 && compareInternal(last, key) >= 0) throw new DecodeError('keys do not ascend');
    last = key;
  });
  return last;
}

/** Entries share the beginning of the key before them; the places where they share nothing are listed at the end. */
function forEachEntry(block: Uint8Array, visit: Visit): void {
  if (block.length < 4) throw new DecodeError('a block is too short');
  const restarts = new ByteReader(block, block.length - 4).u32();
  const end = block.length - 4 - restarts * 4;
  if (restarts === 0 || end < 0) throw new DecodeError('a block has no room for its restart points');
  const points = new ByteReader(block, end);
  let nextRestart = points.u32();
  let left = restarts - 1;
  let key: Uint8Array = new Uint8Array(0);
  const reader = new ByteReader(block, 0, end);
  while (reader.remaining > 0) {
    const isRestart = reader.position === nextRestart;
    const shared = reader.varint();
    const ownBytes = reader.varint();
    const valueBytes = reader.varint();
    if (shared > key.length || (isRestart && shared > 0)) throw new DecodeError('a key shares more than there is');
    const own = reader.raw(ownBytes);
    const value = reader.raw(valueBytes);
    const next = new Uint8Array(shared + ownBytes);
    next.set(key.subarray(0, shared));
    next.set(own, shared);
    key = next;
    visit(key, value);
    if (isRestart && left > 0) {
      nextRestart = points.u32();
      left -= 1;
    }
  }
  if (left > 0) throw new DecodeError('a restart point lies on no entry');
}

/** LevelDB's order: by the user's key, then the later sequence first. */
function compareInternal(left: Uint8Array, right: Uint8Array): number {
  const leftEnd = left.length - KEY_TAIL_BYTES;
  const rightEnd = right.length - KEY_TAIL_BYTES;
  if (leftEnd < 0 || rightEnd < 0) throw new DecodeError('a key is too short');
  const order = compareKeys(left.subarray(0, leftEnd), right.subarray(0, rightEnd));
  if (order !== 0) return order;
  for (let at = KEY_TAIL_BYTES - 1; at >= 0; at -= 1) {
    const difference = (right[rightEnd + at] as number) - (left[leftEnd + at] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The checksum of `bytes` from `start` to before `end`, in the form in which LevelDB stores it. */
function maskedCrc32c(bytes: Uint8Array, start: number, end: number): number {
  const crc = crc32c(bytes, start, end);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
