/**
 * Which tables a database of LevelDB consists of. A crash leaves others beside them, unfinished ones too, that mean nothing.
 *
 * The formats are those of LevelDB 1.20, as its source documents them: that of its logs, and that of an edit of a version.
 */
import { ByteReader, DecodeError } from '../base/bytes.ts';

const BLOCK_BYTES = 32 * 1024;
/** Of each piece of a record: checksum, length, type. */
const HEADER_BYTES = 7;
const PIECE = { full: 1, first: 2, middle: 3, last: 4 } as const;
/** Fields of an edit, and what follows each. */
const FIELD = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/**
 * The numbers of the tables in use after all edits in `manifest`; undefined when it does not read, which LevelDB finds by its
 * checksums when it opens the database.
 */
export function tablesOf(manifest: Uint8Array): readonly number[] | undefined {
  try {
    const tables = new Set<number>();
    for (const edit of recordsOf(manifest)) applyEdit(tables, new ByteReader(edit));
    return [...tables].sort((left, right) => left - right);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The records of a file in the format of LevelDB's logs. One that a crash cut ends it. */
function recordsOf(file: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= file.length) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      continue;
    }
    const header = new ByteReader(file, at + 4);
    const sizeBytes = header.u16();
    const type = header.u8();
    const end = at + HEADER_BYTES + sizeBytes;
    if (end > file.length || HEADER_BYTES + sizeBytes > left || type === 0) break;
    if (type === PIECE.full || type === PIECE.first) pieces = [];
    pieces.push(file.subarray(at + HEADER_BYTES, end));
    if (type === PIECE.full || type === PIECE.last) records.push(Buffer.concat(pieces));
    at = end;
  }
  return records;
}

function applyEdit(tables: Set<number>, edit: ByteReader): void {
  while (edit.remaining > 0) {
    const field = edit.varint();
    switch (field) {
      case FIELD.comparator:
        edit.bytes();
        break;
      case FIELD.logNumber:
      case FIELD.nextFile:
      case FIELD.lastSequence:
      case FIELD.previousLog:
        edit.varint();
        break;
      case FIELD.compactPointer:
        edit.varint();
        edit.bytes();
        break;
      case FIELD.deletedFile:
        edit.varint();
        tables.delete(edit.varint());
        break;
      case FIELD.newFile:
        edit.varint();
        tables.add(edit.varint());
        edit.varint();
        edit.bytes();
        edit.bytes();
        break;
      default:
        throw new DecodeError(`an edit has the unknown field ${field}`);
    }
  }
}
