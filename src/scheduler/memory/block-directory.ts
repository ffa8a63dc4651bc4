import { type ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import type { Hash64 } from '../../base/hash.ts';
import type { BlockBase } from './block-table.ts';

/** What is known of a block of finished tasks without its bytes. */
export interface Block extends BlockBase {
  readonly namespace: number;
  /** The block may be purged from this hour since 1970 on. */
  readonly purgeHour: number;
  tasks: number;
  firstNumber: number;
  lastNumber: number;
  /** Tasks whose payloads are kept outside of the block, and the bytes of those. */
  outside: number[];
  outsideBytes: number;
  /** How many of its tasks are in which page of numbers. While open a page may stand more than once. */
  pages: PageCount[];
  /** Neighbours of the same namespace by id. */
  older: Block | undefined;
  newer: Block | undefined;
}

/** How many tasks of a block are in one page of task numbers. */
export interface PageCount {
  readonly page: number;
  count: number;
}

/** What the directory record of a block says. */
export type BlockRecord = Pick<
  Block,
  | 'namespace'
  | 'purgeHour'
  | 'tasks'
  | 'sizeBytes'
  | 'firstNumber'
  | 'lastNumber'
  | 'sealed'
  | 'outside'
  | 'outsideBytes'
  | 'pages'
> & { readonly hash: Hash64 };

/** `pages` with every page once, in order: what a directory record says must not depend on the order of appends to other blocks. */
export function mergePages(pages: readonly PageCount[]): PageCount[] {
  const sorted = [...pages].sort((left, right) => left.page - right.page);
  const merged: PageCount[] = [];
  for (const { page, count } of sorted) {
    const last = merged.at(-1);
    if (last?.page === page) last.count += count;
    else merged.push({ page, count });
  }
  return merged;
}

/** Writes a directory record behind its format byte. */
export function encodeBlockRecord(writer: ByteWriter, record: Omit<BlockRecord, 'hash'>, hash: Hash64): void {
  writer.u8(record.sealed ? 1 : 0);
  writer.varint(record.namespace);
  writer.varint(record.purgeHour);
  writer.varint(record.tasks);
  writer.varint(record.sizeBytes);
  writer.varint(record.firstNumber);
  writer.varint(record.lastNumber);
  writer.u32(hash.high);
  writer.u32(hash.low);
  writer.varint(record.outsideBytes);
  writer.varint(record.outside.length);
  for (const number of record.outside) writer.varint(number);
  const pages = record.sealed ? record.pages : mergePages(record.pages);
  writer.varint(pages.length);
  let before = 0;
  for (const { page, count } of pages) {
    writer.varint(page - before);
    writer.varint(count);
    before = page;
  }
}

/** Reads what `encodeBlockRecord` wrote. @throws DecodeError */
export function decodeBlockRecord(reader: ByteReader): BlockRecord {
  const flag = reader.u8();
  if (flag > 1) throw new DecodeError('a block is sealed or not');
  const head = {
    sealed: flag === 1,
    namespace: reader.varint(),
    purgeHour: reader.varint(),
    tasks: reader.varint(),
    sizeBytes: reader.varint(),
    firstNumber: reader.varint(),
    lastNumber: reader.varint(),
    hash: { high: reader.u32(), low: reader.u32() },
    outsideBytes: reader.varint(),
  };
  const outside: number[] = [];
  for (let left = checkedCount(reader); left > 0; left -= 1) outside.push(reader.varint());
  const pages: PageCount[] = [];
  let page = 0;
  let counted = 0;
  for (let left = checkedCount(reader); left > 0; left -= 1) {
    page += reader.varint();
    const count = reader.varint();
    pages.push({ page, count });
    counted += count;
  }
  reader.end();
  if (counted !== head.tasks || head.tasks === 0)
    throw new DecodeError('a block counts its tasks twice and differently');
  return { ...head, outside, pages };
}

function checkedCount(reader: ByteReader): number {
  const count = reader.varint();
  if (count > reader.remaining) throw new DecodeError('a list is longer than its record');
  return count;
}
