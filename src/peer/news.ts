/**
 * What a peer tells all others about itself beside consensus: what it supports, how its disk is, and the digests of its last
 * marks. Sent about once a second and at every mark; a lost one is made good by the next.
 *
 *     u8 kind 3 | u8 format | varint feature level | u8 flags | varint last index | varint last term
 *               | varint count | count × (varint index | u32 high | u32 low)
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import type { MarkDigest } from './types.ts';

/** First byte of a frame with news. */
export const NEWS_KIND = 3;

const FORMAT = 1;
const DAMAGED = 1;
const STATE_MISSING = 2;
const SPACE_LOW = 4;

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
}

/** The frame. */
export function encodeNews(news: News): Uint8Array {
  assert(news.marks.length <= NEWS_MARKS_MAX, 'few marks are told at a time');
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
  return writer.view();
}

/** Reads a frame that begins with `NEWS_KIND`. What stands behind the marks was added later and counts for nothing. @throws DecodeError */
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
  };
}
