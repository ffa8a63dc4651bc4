/**
 * The bytes of a log entry: a batch of commands under one time stamp.
 *
 *     u8 kind | u8 format | u64 logTimeMs | u32 count | count × (u32 length | command)
 *
 * Commands are encoded where they arrive and copied in here once; nobody encodes them again.
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { PrincipalCommand } from './command.ts';
import { decodeCommand } from './decode.ts';
import { BATCH_FORMAT, BATCH_KIND } from './version.ts';

export { commandMoves, encodeCommand } from './encode.ts';

const COUNT_AT = 10;

/** Bytes of a batch before its first command. */
export const BATCH_HEADER_BYTES = 14;

/** Bytes that a batch adds before each command. */
export const COMMAND_HEADER_BYTES = 4;

/** Puts encoded commands together. One is used again and again: `begin`, `add` …, `finish`. */
export class BatchWriter {
  readonly #writer = new ByteWriter(4 * 1024);
  #count = 0;
  #moves = 0;

  /** Commands added since `begin`. */
  get count(): number {
    return this.#count;
  }

  /** Task moves of those commands, as their proposers counted them. */
  get moves(): number {
    return this.#moves;
  }

  /** Length of what `finish` would return. */
  get sizeBytes(): number {
    return this.#writer.length;
  }

  begin(): void {
    this.#writer.reset();
    this.#count = 0;
    this.#moves = 0;
    this.#writer.u8(BATCH_KIND);
    this.#writer.u8(BATCH_FORMAT);
    this.#writer.u64(0);
    this.#writer.u32(0);
  }

  /** Copies `command`, as `encodeCommand` wrote it. `moves` is what `commandMoves` says of it. */
  add(command: Uint8Array, moves: number): void {
    assert(this.#writer.length >= BATCH_HEADER_BYTES, 'a batch is begun before commands are added');
    assert(moves >= 1, 'every command counts');
    this.#writer.u32(command.length);
    this.#writer.raw(command);
    this.#count += 1;
    this.#moves += moves;
  }

  /** The entry's bytes, the caller's own. The writer waits for the next `begin`. */
  finish(logTimeMs: number): Uint8Array {
    assert(Number.isSafeInteger(logTimeMs) && logTimeMs >= 0, 'log time is whole milliseconds');
    const bytes = this.#writer.take();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(2, logTimeMs % 0x1_0000_0000, true);
    view.setUint32(6, Math.floor(logTimeMs / 0x1_0000_0000), true);
    view.setUint32(COUNT_AT, this.#count, true);
    this.#writer.reset();
    return bytes;
  }
}

/** Walks through an entry, command by command, without making objects of them. */
export class BatchReader {
  readonly logTimeMs: number;
  /** Commands in all. */
  readonly count: number;
  /** Reads the whole entry; within a command it must not pass `commandEnd`. */
  readonly reader: ByteReader;
  #left: number;
  #commandEnd: number;

  /** @throws DecodeError when this is no batch, or one of a format that is unknown here */
  constructor(bytes: Uint8Array) {
    this.reader = new ByteReader(bytes);
    const kind = this.reader.u8();
    if (kind !== BATCH_KIND) throw new DecodeError(`an entry has kind ${kind}, which is unknown here`);
    const format = this.reader.u8();
    if (format !== BATCH_FORMAT) throw new DecodeError(`a batch has format ${format}, which is unknown here`);
    this.logTimeMs = this.reader.u64();
    this.count = this.reader.u32();
    this.#left = this.count;
    this.#commandEnd = this.reader.position;
  }

  /** Where the present command ends. */
  get commandEnd(): number {
    return this.#commandEnd;
  }

  /** Moves to the next command; false at the end. @throws DecodeError when the last command was not read to its end */
  next(): boolean {
    if (this.reader.position !== this.#commandEnd) throw new DecodeError('a command is not as long as it says');
    if (this.#left === 0) {
      this.reader.end();
      return false;
    }
    this.#left -= 1;
    const length = this.reader.u32();
    if (length > this.reader.remaining) throw new DecodeError('a command is longer than its batch');
    this.#commandEnd = this.reader.position + length;
    return true;
  }
}

/** A batch as objects; see `decode.ts` for what they are good for. */
export interface DecodedBatch {
  readonly logTimeMs: number;
  readonly commands: readonly PrincipalCommand[];
}

/** Reads a whole entry. @throws DecodeError */
export function decodeBatch(bytes: Uint8Array): DecodedBatch {
  const batch = new BatchReader(bytes);
  const commands: PrincipalCommand[] = [];
  while (batch.next()) {
    const length = batch.commandEnd - batch.reader.position;
    commands.push(decodeCommand(new ByteReader(batch.reader.raw(length))));
  }
  return { logTimeMs: batch.logTimeMs, commands };
}
