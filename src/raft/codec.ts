/**
 * Messages as bytes. The first byte is the kind of message, the second the format of that kind. The two ends are not in
 * the bytes: they are those of the connection, which proved who they are, and no message may claim others.
 *
 * ```
 * kind u8 · format u8 · term varint · fields of the kind, integers as varints, flags as a byte
 * append-entries: prevLogIndex · prevLogTerm · leaderCommit · count · count × (kind u8 · term varint · data behind its length)
 * ```
 */
import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { DecodeError } from '../base/bytes.ts';
import type { PeerId, Term } from '../base/ids.ts';
import { decodeMembers } from './configuration.ts';
import type { AppendEntries, Heartbeat, Message } from './message.ts';
import type { Entry } from './types.ts';
import { EntryKind, FEATURE_BYTES } from './types.ts';

/** The first byte. A number once used is never given to another kind. */
const KIND: Record<Message['type'], number> = {
  'pre-vote-request': 1,
  'pre-vote-response': 2,
  'vote-request': 3,
  'vote-response': 4,
  'append-entries': 5,
  'append-accepted': 6,
  'append-rejected': 7,
  heartbeat: 8,
  'heartbeat-response': 9,
  'timeout-now': 10,
  'read-index-request': 11,
  'read-index-response': 12,
};

/** The second byte: what the fields of that kind are. */
const FORMAT: Record<Message['type'], number> = {
  'pre-vote-request': 1,
  'pre-vote-response': 1,
  'vote-request': 1,
  'vote-response': 1,
  'append-entries': 1,
  'append-accepted': 1,
  'append-rejected': 2,
  heartbeat: 3,
  'heartbeat-response': 2,
  'timeout-now': 2,
  'read-index-request': 1,
  'read-index-response': 1,
};

/** True when a message whose encoding begins with `kind` refers to the bytes that it was read from, as entries do. */
export function refersToBytes(kind: number | undefined): boolean {
  return kind === KIND['append-entries'];
}

/** The format of each kind, by its number. */
const FORMAT_OF_KIND: readonly (number | undefined)[] = formatsByKind();

/** Most entries of one message; more is refused before memory is taken for them. */
const ENTRIES_MAX = 1_000_000;

/** Writes `message` behind what `writer` holds. */
export function encodeMessage(writer: ByteWriter, message: Message): void {
  writer.u8(KIND[message.type]);
  writer.u8(FORMAT[message.type]);
  writer.varint(message.term);
  switch (message.type) {
    case 'pre-vote-request':
    case 'vote-request':
      writer.varint(message.lastLogIndex);
      writer.varint(message.lastLogTerm);
      if (message.type === 'vote-request') writer.u8(message.transfer ? 1 : 0);
      break;
    case 'pre-vote-response':
    case 'vote-response':
      writer.u8(message.granted ? 1 : 0);
      break;
    case 'append-entries':
      encodeAppend(writer, message);
      break;
    case 'append-accepted':
      writer.varint(message.matchIndex);
      break;
    case 'append-rejected':
      writer.varint(message.rejectedIndex);
      writer.varint(message.hintIndex);
      writer.varint(message.hintTerm);
      writer.u8(message.damaged ? 1 : 0);
      break;
    case 'heartbeat':
      writer.varint(message.commit);
      writer.varint(message.matchIndex);
      writer.varint(message.matchTerm);
      writer.varint(message.readRound);
      writer.varint(message.snapshotNeeded);
      break;
    case 'heartbeat-response':
      writer.varint(message.readRound);
      writer.u8(message.damaged ? 1 : 0);
      break;
    case 'timeout-now':
      writer.varint(message.lastIndex);
      break;
    case 'read-index-request':
      writer.varint(message.round);
      break;
    case 'read-index-response':
      writer.varint(message.round);
      writer.varint(message.index);
      break;
  }
}

/**
 * Reads one message that fills the rest of `reader`. Data of entries are views into its bytes, which must stay as they are.
 *
 * @throws DecodeError on anything that `encodeMessage` does not write.
 */
export function decodeMessage(reader: ByteReader, from: PeerId, to: PeerId): Message {
  const kind = reader.u8();
  const format = reader.u8();
  if (format !== (FORMAT_OF_KIND[kind] ?? format))
    throw new DecodeError(`format ${format} of message kind ${kind} is unknown`);
  const term = reader.varint();
  const message = decodeFields(reader, kind, { from, to, term });
  reader.end();
  return message;
}

interface Head {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly term: Term;
}

function decodeFields(reader: ByteReader, kind: number, head: Head): Message {
  const { from, to, term } = head;
  switch (kind) {
    case KIND['pre-vote-request']: {
      const type = 'pre-vote-request';
      return { type, from, to, term, lastLogIndex: reader.varint(), lastLogTerm: reader.varint() };
    }
    case KIND['pre-vote-response']:
      return { type: 'pre-vote-response', from, to, term, granted: flag(reader) };
    case KIND['vote-request']: {
      const lastLogIndex = reader.varint();
      const lastLogTerm = reader.varint();
      return { type: 'vote-request', from, to, term, lastLogIndex, lastLogTerm, transfer: flag(reader) };
    }
    case KIND['vote-response']:
      return { type: 'vote-response', from, to, term, granted: flag(reader) };
    case KIND['append-entries']:
      return decodeAppend(reader, head);
    case KIND['append-accepted']:
      return { type: 'append-accepted', from, to, term, matchIndex: reader.varint() };
    case KIND['append-rejected']: {
      const rejectedIndex = reader.varint();
      const hintIndex = reader.varint();
      const hintTerm = reader.varint();
      const damaged = flag(reader);
      return { type: 'append-rejected', from, to, term, rejectedIndex, hintIndex, hintTerm, damaged };
    }
    case KIND['heartbeat']:
      return decodeHeartbeat(reader, head);
    case KIND['heartbeat-response']: {
      const readRound = reader.varint();
      return { type: 'heartbeat-response', from, to, term, readRound, damaged: flag(reader) };
    }
    case KIND['timeout-now']:
      return { type: 'timeout-now', from, to, term, lastIndex: reader.varint() };
    case KIND['read-index-request']:
      return { type: 'read-index-request', from, to, term, round: reader.varint() };
    case KIND['read-index-response']: {
      const round = reader.varint();
      return { type: 'read-index-response', from, to, term, round, index: reader.varint() };
    }
    default:
      throw new DecodeError(`message kind ${kind} is unknown`);
  }
}

function encodeAppend(writer: ByteWriter, message: AppendEntries): void {
  writer.varint(message.prevLogIndex);
  writer.varint(message.prevLogTerm);
  writer.varint(message.leaderCommit);
  writer.varint(message.entries.length);
  for (const entry of message.entries) {
    writer.u8(entry.kind);
    writer.varint(entry.term);
    writer.bytes(entry.data);
  }
}

function decodeHeartbeat(reader: ByteReader, { from, to, term }: Head): Heartbeat {
  const commit = reader.varint();
  const matchIndex = reader.varint();
  const matchTerm = reader.varint();
  if (commit > matchIndex) throw new DecodeError('more is committed than was acknowledged');
  if (matchTerm > term) throw new DecodeError('an entry is of a later term than its message');
  const readRound = reader.varint();
  return {
    type: 'heartbeat',
    from,
    to,
    term,
    commit,
    matchIndex,
    matchTerm,
    readRound,
    snapshotNeeded: reader.varint(),
  };
}

function decodeAppend(reader: ByteReader, head: Head): AppendEntries {
  const { from, to, term } = head;
  const prevLogIndex = reader.varint();
  const prevLogTerm = reader.varint();
  const leaderCommit = reader.varint();
  const count = reader.varint();
  // An entry takes three bytes at least, so a count that lies is seen before anything is made for it.
  if (count > ENTRIES_MAX || count * 3 > reader.remaining)
    throw new DecodeError(`${count} entries do not fit the message`);
  if (prevLogTerm > term) throw new DecodeError('an entry is of a later term than its message');
  if (!Number.isSafeInteger(prevLogIndex + count)) throw new DecodeError('an index is over 2^53');
  const entries: Entry[] = [];
  let lastTerm = prevLogTerm;
  for (let at = 1; at <= count; at += 1) {
    const kind = entryKind(reader.u8());
    const entryTerm = reader.varint();
    if (entryTerm < lastTerm || entryTerm > term || entryTerm === 0)
      throw new DecodeError('the terms of entries are not in order');
    lastTerm = entryTerm;
    const data = reader.bytes();
    if (kind !== EntryKind.command) checkData(kind, data);
    entries.push({ index: prevLogIndex + at, term: entryTerm, kind, data });
  }
  return { type: 'append-entries', from, to, term, prevLogIndex, prevLogTerm, leaderCommit, entries };
}

function entryKind(value: number): EntryKind {
  if (value <= EntryKind.feature) return value as EntryKind;
  throw new DecodeError(`entry kind ${value} is unknown`);
}

/** What the core itself reads must be readable before it is in the log. */
function checkData(kind: EntryKind, data: Uint8Array): void {
  if (kind === EntryKind.configuration && !decodeMembers(data).some((member) => member.votes)) {
    throw new DecodeError('a configuration has no voters');
  }
  if (kind === EntryKind.feature && data.length !== FEATURE_BYTES)
    throw new DecodeError('a feature level has four bytes');
}

function flag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new DecodeError(`${value} is no flag`);
  return value === 1;
}

function formatsByKind(): (number | undefined)[] {
  const formats: (number | undefined)[] = [];
  for (const type of Object.keys(KIND) as Message['type'][]) formats[KIND[type]] = FORMAT[type];
  return formats;
}
