/**
 * What a peer tells all others about itself beside consensus: what it supports, how its disk is, and the digests of its last
 * marks. Sent about once a second and at every mark; a lost one is made good by the next.
 *
 *     u8 kind 3 | u8 format | varint feature level | u8 flags | varint last index | varint last term
 *               | varint count | count × (varint index | u32 high | u32 low)
 *               | varint count | count × (name | 16 bytes incarnation | peer address | client address)
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import { isName, peerId } from '../base/ids.ts';
import { readAddress, readIncarnation, writeAddress, writeIncarnation } from './member-info.ts';
import type { JoiningPeer, MarkDigest } from './types.ts';

/** First byte of a frame with news. */
export const NEWS_KIND = 3;

const FORMAT = 1;
const DAMAGED = 1;
const STATE_MISSING = 2;
const SPACE_LOW = 4;

/** Most peers that want to join in one frame. */
export const NEWS_JOINING_MAX = 16;

/** Most marks in one frame. */
export const NEWS_MARKS_MAX = 16;

/** What a peer says of itself. */
export interface News {
  /** The newest level that its version knows. */
  readonly featureLevel: number;
  /** Its log was damaged and is not whole yet. */
  readonly damaged: boolean;
  /** It lost its state and waits for a snapshot. */
  readonly stateMissing: boolean;
  readonly spaceLow: boolean;
  /** Where its log ends; while it is damaged, where it once ended. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Oldest first. */
  readonly marks: readonly MarkDigest[];
  /** Peers that are connected to it and could be added: the leader may be one that they do not know. */
  readonly joining: readonly HeardPeer[];
}

/** A peer that is no member. */
export type HeardPeer = Omit<JoiningPeer, 'replaces'>;

/** The frame. */
export function encodeNews(news: News): Uint8Array {
  assert(news.marks.length <= NEWS_MARKS_MAX, 'few marks are told at a time');
  assert(news.joining.length <= NEWS_JOINING_MAX, 'few peers are told at a time');
  const writer = new ByteWriter(64 + news.marks.length * 16);
  writer.u8(NEWS_KIND);
  writer.u8(FORMAT);
  writer.varint(news.featureLevel);
  writer.u8((news.damaged ? DAMAGED : 0) | (news.stateMissing ? STATE_MISSING : 0) | (news.spaceLow ? SPACE_LOW : 0));
  writer.varint(news.lastIndex);
  writer.varint(news.lastTerm);
  writer.varint(news.marks.length);
  for (const { index, digest } of news.marks) {
    writer.varint(index);
    writer.u32(digest.high);
    writer.u32(digest.low);
  }
  writer.varint(news.joining.length);
  for (const { peer, incarnation, addresses } of news.joining) {
    writer.ascii(peer);
    writeIncarnation(writer, incarnation);
    writeAddress(writer, addresses.peer);
    writeAddress(writer, addresses.client);
  }
  return writer.view();
}

/** Reads a frame that begins with `NEWS_KIND`. What stands behind the last field was added later and counts for nothing. @throws DecodeError */
export function decodeNews(bytes: Uint8Array): News {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  const format = reader.u8();
  if (kind !== NEWS_KIND || format !== FORMAT) throw new DecodeError(`news of kind ${kind} and format ${format}`);
  const featureLevel = reader.varint();
  const flags = reader.u8();
  const lastIndex = reader.varint();
  const lastTerm = reader.varint();
  const count = reader.varint();
  if (count > NEWS_MARKS_MAX) throw new DecodeError(`news of ${count} marks`);
  const marks: MarkDigest[] = [];
  for (let at = 0; at < count; at += 1) {
    marks.push({ index: reader.varint(), digest: { high: reader.u32(), low: reader.u32() } });
  }
  return {
    featureLevel,
    damaged: (flags & DAMAGED) !== 0,
    stateMissing: (flags & STATE_MISSING) !== 0,
    spaceLow: (flags & SPACE_LOW) !== 0,
    lastIndex,
    lastTerm,
    marks,
    joining: readJoining(reader),
  };
}

function readJoining(reader: ByteReader): HeardPeer[] {
  const count = reader.varint();
  if (count > NEWS_JOINING_MAX) throw new DecodeError(`news of ${count} peers that want to join`);
  const joining: HeardPeer[] = [];
  for (let at = 0; at < count; at += 1) {
    const name = reader.ascii();
    if (!isName(name)) throw new DecodeError('a peer that wants to join has no name');
    const incarnation = readIncarnation(reader);
    const addresses = { peer: readAddress(reader), client: readAddress(reader) };
    joining.push({ peer: peerId(name), incarnation, addresses });
  }
  return joining;
}
