/**
 * What peers say to each other, as the bytes of one frame: a message of the Raft core, and what the sender's wall clock shows,
 * by which a leader tells a clock that has gone astray.
 *
 *     u8 kind | u8 format | u64 wallMs | message
 *
 * Who speaks to whom is not in it: the connection has proved that.
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { PeerId } from '../base/ids.ts';
import { decodeMessage, encodeMessage, refersToBytes } from '../raft/codec.ts';
import type { AppendEntries, Message } from '../raft/message.ts';
import type { Lane } from '../transport/transport.ts';

const KIND = 1;
const FORMAT = 1;

/** Bytes of a message without entries, and of an entry without its data, at most. */
const MESSAGE_BYTES = 96;
/** Kind, format and clock, before the message. */
const HEADER_BYTES = 10;
const ENTRY_BYTES = 20;

/** A frame of another peer. */
export interface Envelope {
  /** The sender's wall clock when it sent this, in ms since 1970. */
  readonly wallMs: number;
  readonly message: Message;
}

/** The lane that `message` travels on: what keeps a leader in office never waits behind entries. */
export function laneOf(message: Message): Lane {
  const { type } = message;
  return type === 'append-entries' || type === 'append-accepted' || type === 'append-rejected' ? 'bulk' : 'control';
}

/** What answers a question. */
const ANSWERS: ReadonlySet<Message['type']> = new Set([
  'pre-vote-response',
  'vote-response',
  'append-accepted',
  'append-rejected',
  'heartbeat-response',
]);

/** True for what answers a question: from a peer of another configuration it counts for nothing. */
export function isAnswer(message: Message): boolean {
  return ANSWERS.has(message.type);
}

/** Bytes that small frames share: a buffer of its own costs more than all else about such a frame. */
const SHARED_BYTES = 8 * 1024;

/** Makes frames. An append that goes to several peers is encoded once, as its bytes do not say to whom it goes. */
export class EnvelopeWriter {
  #lastAppend: AppendEntries | undefined;
  #lastFrame: Uint8Array | undefined;
  /** Frames without entries, one behind the other. Replaced when it is full, and never written over. */
  #small = new ByteWriter(SHARED_BYTES);

  /** The frame for `message`; nobody changes its bytes afterwards, as another peer may get the same ones. */
  frame(message: Message, wallMs: number): Uint8Array {
    if (message.type !== 'append-entries' || message.entries.length === 0) return this.#smallFrame(message, wallMs);
    if (this.#lastFrame !== undefined && this.#lastAppend !== undefined && sameAppend(this.#lastAppend, message)) {
      return this.#lastFrame;
    }
    let sizeBytes = MESSAGE_BYTES;
    for (const entry of message.entries) sizeBytes += ENTRY_BYTES + entry.data.length;
    const writer = new ByteWriter(sizeBytes);
    writeFrame(writer, message, wallMs);
    const frame = writer.view();
    this.#lastAppend = message;
    this.#lastFrame = frame;
    return frame;
  }

  #smallFrame(message: Message, wallMs: number): Uint8Array {
    if (this.#small.length + MESSAGE_BYTES > SHARED_BYTES) this.#small = new ByteWriter(SHARED_BYTES);
    const start = this.#small.length;
    writeFrame(this.#small, message, wallMs);
    return this.#small.view(start);
  }

  /** Lets go of the last frame; called when all messages of a turn are sent. */
  forget(): void {
    this.#lastAppend = undefined;
    this.#lastFrame = undefined;
  }
}

/**
 * Reads a frame of `from`. Entries are views into `bytes`, or into a copy where `bytes` is a small part of a large buffer that
 * would otherwise stay in memory as long as they do. @throws DecodeError
 */
export function decodeEnvelope(bytes: Uint8Array, from: PeerId, to: PeerId): Envelope {
  const shared = bytes.buffer.byteLength > 2 * bytes.length && refersToBytes(bytes[HEADER_BYTES]);
  const own = shared ? bytes.slice() : bytes;
  const reader = new ByteReader(own);
  const kind = reader.u8();
  const format = reader.u8();
  if (kind !== KIND || format !== FORMAT)
    throw new DecodeError(`a frame has kind ${kind} and format ${format}, unknown here`);
  const wallMs = reader.u64();
  return { wallMs, message: decodeMessage(reader, from, to) };
}

function writeFrame(writer: ByteWriter, message: Message, wallMs: number): void {
  writer.u8(KIND);
  writer.u8(FORMAT);
  writer.u64(Math.max(0, Math.floor(wallMs)));
  encodeMessage(writer, message);
}

function sameAppend(left: AppendEntries, right: AppendEntries): boolean {
  return (
    left.term === right.term &&
    left.prevLogIndex === right.prevLogIndex &&
    left.prevLogTerm === right.prevLogTerm &&
    left.leaderCommit === right.leaderCommit &&
    left.entries.length === right.entries.length &&
    left.entries.every((entry, at) => entry === right.entries[at])
  );
}
