import { assert } from '../../base/assert.ts';
import { ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import type { Crc32 } from '../../base/hash.ts';
import { type RecordSource, RecordTable } from './records.ts';
import { TABLE_IDS } from './table-ids.ts';

/** Task numbers a page. */
export const PAGE_TASKS = 4096;

/** Pages in one part of the page table. */
const PART_PAGES = 1024;

/** Highest tag of a block; tags begin with 1. */
export const BLOCK_TAG_MAX = 0x7fff_ffff;

/** Highest tag of a block of far tasks; tags begin with 1. */
export const FAR_TAG_MAX = 0x3fff_ffff;

/** Entries up to this are rows and one; the ones above it are tags of blocks of far tasks. */
const ROWS_MAX = 0x4000_0000;

/** In a record, what stands for every far task among the tags: above all tags of blocks of finished tasks. */
const FAR_MARK = 0x8000_0000;

interface Page {
  readonly index: number;
  /**
   * By position in the page: row + 1 of a live task, `ROWS_MAX` and the tag of its block for a far one, minus the tag of a finished
   * one's block, 0 for nothing.
   */
  readonly entries: Int32Array;
  live: number;
  far: number;
  /** Tasks here whose blocks were not purged. Entries of purged blocks stay until the page goes: their tags name nothing. */
  finished: number;
  /** Slot of its record; -1 before the first task here finished or was put into a block of far ones. */
  slot: number;
}

/**
 * Where every task is: in a row, in a block of far or of finished tasks, or nowhere. Four bytes a task, in dense pages, since numbers are given
 * out one after the other. The page table has two levels, so no part of it ever grows past what can be copied in passing, and a page
 * all of whose tasks were purged is dropped.
 *
 * The parts about blocks are records of the checkpoint; rows are entered again by whoever restores them.
 */
export class NumberPages implements RecordSource {
  /** Its records: one for each page that names a block. */
  readonly table: RecordTable;
  readonly #parts: ((Page | undefined)[] | undefined)[] = [];
  readonly #bySlot: (Page | undefined)[] = [];
  readonly #idleSlots: number[] = [];
  #pages = 0;
  /** Highest number that was ever given out. */
  #highest = 0;

  constructor(options: { readonly crc32: Crc32 }) {
    this.table = new RecordTable({ id: TABLE_IDS.pages, name: 'pages', format: 1, crc32: options.crc32, source: this });
  }

  /** Pages in memory; each takes 16 KiB. */
  get pageCount(): number {
    return this.#pages;
  }

  /** The row of a live task, -1 when the number is not live. */
  rowOf(number: number): number {
    const entry = this.#entry(number);
    return entry > 0 && entry <= ROWS_MAX ? entry - 1 : -1;
  }

  /** The tag of the block of far tasks in which a task waits, 0 when the number is not that of a far task. */
  farTagOf(number: number): number {
    const entry = this.#entry(number);
    return entry > ROWS_MAX ? entry - ROWS_MAX : 0;
  }

  /** The tag of the block that a finished task was put in, 0 when the number is not finished. The block may have been purged. */
  blockTagOf(number: number): number {
    const entry = this.#entry(number);
    return entry < 0 ? -entry : 0;
  }

  /** A task begins, or is restored, in `row`. */
  setLive(number: number, row: number): void {
    assert(number >= 1 && row >= 0 && row < ROWS_MAX, 'tasks have numbers from 1 and rows from 0');
    const page = this.#pageFor(number);
    const at = number % PAGE_TASKS;
    assert(page.entries[at] === 0, 'a number is given to one task');
    page.entries[at] = row + 1;
    page.live += 1;
    if (number > this.#highest) this.#highest = number;
  }

  /** A live task, or a far one, moved to the block of far tasks with `tag`. */
  setFar(number: number, tag: number): void {
    assert(tag >= 1 && tag <= FAR_TAG_MAX, 'tags of far blocks have 30 bits and begin with 1');
    const page = this.#pageFor(number);
    const at = number % PAGE_TASKS;
    const before = page.entries[at] as number;
    assert(before > 0, 'a task that is put away was live');
    this.#willChange(page);
    page.entries[at] = ROWS_MAX + tag;
    if (before > ROWS_MAX) return;
    page.live -= 1;
    page.far += 1;
  }

  /** A far task is live again, in `row`. */
  setNear(number: number, row: number): void {
    assert(row >= 0 && row < ROWS_MAX, 'rows are numbered from 0');
    const page = this.#pageFor(number);
    const at = number % PAGE_TASKS;
    assert((page.entries[at] as number) > ROWS_MAX, 'a task that comes back was put away');
    this.#willChange(page);
    page.entries[at] = row + 1;
    page.far -= 1;
    page.live += 1;
  }

  /** A live task moved to the block with `tag`. */
  setFinished(number: number, tag: number): void {
    assert(tag >= 1 && tag <= BLOCK_TAG_MAX, 'tags have 31 bits and begin with 1');
    const page = this.#pageFor(number);
    const at = number % PAGE_TASKS;
    const before = page.entries[at] as number;
    assert(before > 0 && before <= ROWS_MAX, 'a task that finishes was live');
    this.#willChange(page);
    page.entries[at] = -tag;
    page.live -= 1;
    page.finished += 1;
  }

  /** `count` finished tasks of a page were purged with their block. The page goes when nothing is left of it. */
  purged(pageIndex: number, count: number): void {
    const page = this.#pageAt(pageIndex);
    assert(page !== undefined && page.finished >= count, 'what is purged was there');
    page.finished -= count;
    const full = (pageIndex + 1) * PAGE_TASKS - 1 <= this.#highest;
    if (page.live > 0 || page.far > 0 || page.finished > 0 || !full) return;
    this.table.remove(page.slot);
    this.#bySlot[page.slot] = undefined;
    this.#idleSlots.push(page.slot);
    const part = this.#parts[Math.floor(pageIndex / PART_PAGES)] as (Page | undefined)[];
    part[pageIndex % PART_PAGES] = undefined;
    this.#pages -= 1;
    if (part.every((one) => one === undefined)) this.#parts[Math.floor(pageIndex / PART_PAGES)] = undefined;
  }

  /** While restoring: a block holds `count` tasks of the page. Its record has come, or comes later. */
  restoreFinished(pageIndex: number, count: number): void {
    this.#pageFor(pageIndex * PAGE_TASKS).finished += count;
  }

  /**
   * Ends a restore, when all rows, pages and blocks were taken in.
   *
   * @param nextNumber The number that the next task gets.
   * @param farTasks Tasks in blocks of far ones.
   * @throws DecodeError when pages and blocks contradict each other.
   */
  restored(nextNumber: number, farTasks = 0): void {
    this.#highest = nextNumber - 1;
    let far = 0;
    for (const part of this.#parts) {
      for (const page of part ?? []) {
        if (page !== undefined && page.finished > 0 && page.slot < 0) {
          throw new DecodeError(`the page ${page.index} of task numbers is missing`);
        }
        far += page?.far ?? 0;
      }
    }
    if (far !== farTasks) throw new DecodeError(`${far} numbers lead to far tasks, of which blocks have ${farTasks}`);
  }

  keyOf(slot: number): number {
    return this.#recorded(slot).index;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    const { entries, far } = this.#recorded(slot);
    // Runs of equal tags, each tag as its distance from the one before: tasks that finish together share a block.
    let before = 0;
    let start = 0;
    while (start < PAGE_TASKS) {
      const tag = recordedTag(entries[start] as number);
      let end = start + 1;
      while (end < PAGE_TASKS && recordedTag(entries[end] as number) === tag) end += 1;
      writer.varint(end - start);
      const step = tag - before;
      writer.varint(step >= 0 ? step * 2 : -step * 2 - 1);
      before = tag;
      start = end;
    }
    // Without far tasks the record is what it was before there were any.
    if (far > 0) encodeFar(entries, writer);
  }

  restore(key: number, value: Uint8Array): number {
    const page = this.#pageFor(key * PAGE_TASKS);
    const reader = new ByteReader(value, 1);
    let tag = 0;
    let at = 0;
    const far: number[] = [];
    while (at < PAGE_TASKS) {
      const run = reader.varint();
      const step = reader.varint();
      tag += step % 2 === 0 ? step / 2 : -(step + 1) / 2;
      if (run < 1 || at + run > PAGE_TASKS || tag < 0 || tag > FAR_MARK) {
        throw new DecodeError('a page of task numbers does not read');
      }
      for (const end = at + run; at < end; at += 1) {
        if (tag === 0) continue;
        if (page.entries[at] !== 0) throw new DecodeError('a task is both live and finished');
        if (tag === FAR_MARK) far.push(at);
        else page.entries[at] = -tag;
      }
    }
    if (far.length > 0) restoreFar(page, far, reader);
    reader.end();
    if (page.slot >= 0) throw new DecodeError('a page of task numbers is there twice');
    this.#takeSlot(page);
    return page.slot;
  }

  #entry(number: number): number {
    return this.#pageAt(Math.floor(number / PAGE_TASKS))?.entries[number % PAGE_TASKS] ?? 0;
  }

  #pageAt(index: number): Page | undefined {
    return this.#parts[Math.floor(index / PART_PAGES)]?.[index % PART_PAGES];
  }

  #pageFor(number: number): Page {
    const index = Math.floor(number / PAGE_TASKS);
    return this.#pageAt(index) ?? this.#addPage(index);
  }

  #addPage(index: number): Page {
    const partIndex = Math.floor(index / PART_PAGES);
    // Numbers are dense, so the table has no holes but what was purged.
    while (this.#parts.length <= partIndex) this.#parts.push(undefined);
    let part = this.#parts[partIndex];
    if (part === undefined) {
      part = new Array<Page | undefined>(PART_PAGES).fill(undefined);
      this.#parts[partIndex] = part;
    }
    const page: Page = { index, entries: new Int32Array(PAGE_TASKS), live: 0, far: 0, finished: 0, slot: -1 };
    part[index % PART_PAGES] = page;
    this.#pages += 1;
    return page;
  }

  /** The record of the page is about to change, or to begin. */
  #willChange(page: Page): void {
    if (page.slot >= 0) {
      this.table.touch(page.slot);
      return;
    }
    this.#takeSlot(page);
    this.table.add(page.slot);
  }

  #takeSlot(page: Page): void {
    page.slot = this.#idleSlots.pop() ?? this.#bySlot.length;
    this.#bySlot[page.slot] = page;
  }

  #recorded(slot: number): Page {
    const page = this.#bySlot[slot];
    assert(page !== undefined, 'a record of a page has its page');
    return page;
  }
}

/** What the first part of a record says of an entry. Rows are not recorded. */
function recordedTag(entry: number): number {
  return entry < 0 ? -entry : entry > ROWS_MAX ? FAR_MARK : 0;
}

/** The tags of the far tasks of a page: each tag once, then for each task in order which of these it is. Far tasks share few blocks. */
function encodeFar(entries: Int32Array, writer: ByteWriter): void {
  const places = new Map<number, number>();
  for (const entry of entries) if (entry > ROWS_MAX && !places.has(entry)) places.set(entry, places.size);
  writer.varint(places.size);
  // In the order of their first tasks, so by the contents alone.
  for (const entry of places.keys()) writer.varint(entry - ROWS_MAX);
  for (const entry of entries) if (entry > ROWS_MAX) writer.varint(places.get(entry) as number);
}

/** Reads what `encodeFar` wrote into the places `far` of the page. @throws DecodeError */
function restoreFar(page: Page, far: readonly number[], reader: ByteReader): void {
  const tags: number[] = [];
  for (let left = reader.varint(); left > 0 && tags.length < PAGE_TASKS; left -= 1) tags.push(reader.varint());
  for (const at of far) {
    const tag = tags[reader.varint()];
    if (tag === undefined || tag < 1 || tag > FAR_TAG_MAX)
      throw new DecodeError('a page of task numbers does not say where a far task is');
    page.entries[at] = ROWS_MAX + tag;
    page.far += 1;
  }
}
