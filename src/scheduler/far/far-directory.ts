import { type ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import type { Hash64 } from '../../base/hash.ts';
import type { BlockBase, BlockPlace } from '../memory/block-table.ts';
import { LEVELS_MAX } from './spans.ts';

/** What is known of a block of far tasks without its bytes. In `sizeBytes` are those of tasks that have left, too. */
export interface FarBlock extends BlockBase {
  readonly level: number;
  /** Begin of its span: none of its tasks is due before. */
  readonly beginMs: number;
  /** From this log time on it is opened. Invariant: before `beginMs`. */
  readonly openAtMs: number;
  /** Tasks that have not left. Invariant: as many numbers lead to its tag, and at least one. */
  tasks: number;
  /** Payloads and headers of these. */
  taskBytes: number;
  /** Pairs: a template, and how many of its tasks are here. Each template once, in the order of their first tasks. */
  templates: number[];
}

/** What the directory record of a block says. */
export type FarRecord = Omit<FarBlock, keyof BlockPlace | 'body' | 'hash'> & { readonly hash: Hash64 };

/** Writes a directory record behind its format byte. */
export function encodeFarRecord(writer: ByteWriter, record: Omit<FarRecord, 'hash'>, hash: Hash64): void {
  writer.u8(record.sealed ? 1 : 0);
  writer.u8(record.level);
  writer.varint(record.beginMs);
  writer.varint(record.openAtMs);
  writer.varint(record.tasks);
  writer.varint(record.taskBytes);
  writer.varint(record.sizeBytes);
  writer.u32(hash.high);
  writer.u32(hash.low);
  writer.varint(record.templates.length / 2);
  for (const value of record.templates) writer.varint(value);
}

/** Reads what `encodeFarRecord` wrote. @throws DecodeError */
export function decodeFarRecord(reader: ByteReader): FarRecord {
  const flag = reader.u8();
  if (flag > 1) throw new DecodeError('a block is sealed or not');
  const head = {
    sealed: flag === 1,
    level: reader.u8(),
    beginMs: reader.varint(),
    openAtMs: reader.varint(),
    tasks: reader.varint(),
    taskBytes: reader.varint(),
    sizeBytes: reader.varint(),
    hash: { high: reader.u32(), low: reader.u32() },
  };
  const pairs = reader.varint();
  if (2 * pairs > reader.remaining) throw new DecodeError('a list is longer than its record');
  const templates: number[] = [];
  let counted = 0;
  for (let left = pairs; left > 0; left -= 1) {
    const template = reader.varint();
    const count = reader.varint();
    templates.push(template, count);
    counted += count;
  }
  reader.end();
  if (head.level >= LEVELS_MAX || head.openAtMs >= head.beginMs)
    throw new DecodeError('a block of far tasks has a time that is none');
  if (counted !== head.tasks || counted === 0)
    throw new DecodeError('a block counts its far tasks twice and differently');
  return { ...head, templates };
}

/** One task more, or with -1 less, of `template` is in a block with these pairs. */
export function countTemplate(templates: number[], template: number, more: 1 | -1): void {
  for (let at = 0; at < templates.length; at += 2) {
    if (templates[at] !== template) continue;
    const count = (templates[at + 1] as number) + more;
    if (count > 0) templates[at + 1] = count;
    else templates.splice(at, 2);
    return;
  }
  templates.push(template, 1);
}
