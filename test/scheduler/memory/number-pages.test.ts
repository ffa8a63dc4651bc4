import { expect, test } from 'vitest';
import { InvariantError } from '../../../src/base/assert.ts';
import { DecodeError } from '../../../src/base/bytes.ts';
import { Checkpoints } from '../../../src/scheduler/memory/checkpoints.ts';
import { NumberPages, PAGE_TASKS } from '../../../src/scheduler/memory/number-pages.ts';
import { checkpointNow, crc32, FakeDatabase, nameOf } from './support.ts';

test('a number is nowhere, then in a row, then in a block', () => {
  const pages = new NumberPages({ crc32 });
  expect([pages.rowOf(1), pages.blockTagOf(1)]).toEqual([-1, 0]);
  pages.setLive(1, 0);
  expect([pages.rowOf(1), pages.blockTagOf(1)]).toEqual([0, 0]);
  pages.setFinished(1, 2 ** 31 - 1);
  expect([pages.rowOf(1), pages.blockTagOf(1)]).toEqual([-1, 2 ** 31 - 1]);
  expect(pages.rowOf(10 ** 15)).toBe(-1);
});

test('a number is used once and finishes once', () => {
  const pages = new NumberPages({ crc32 });
  pages.setLive(7, 3);
  expect(() => pages.setLive(7, 4)).toThrow(InvariantError);
  pages.setFinished(7, 1);
  expect(() => pages.setFinished(7, 1)).toThrow(InvariantError);
  expect(() => pages.setFinished(8, 1)).toThrow(InvariantError);
});

test('pages purged whole are dropped, with their records; the page that numbers are given from stays', () => {
  const pages = new NumberPages({ crc32 });
  const checkpoints = new Checkpoints([pages.table]);
  const database = new FakeDatabase();
  for (let number = 1; number < PAGE_TASKS + 10; number += 1) {
    pages.setLive(number, number);
    pages.setFinished(number, 1);
  }
  checkpointNow(checkpoints, 1, database);
  expect([...database.records.keys()]).toEqual(['1/0', '1/1']);
  pages.purged(0, PAGE_TASKS - 1);
  pages.purged(1, 10);
  expect(pages.pageCount).toBe(1);
  expect(pages.blockTagOf(5)).toBe(0);
  checkpointNow(checkpoints, 2, database);
  expect([...database.records.keys()]).toEqual(['1/1']);
});

test('a page with a live task stays', () => {
  const pages = new NumberPages({ crc32 });
  for (let number = 1; number < PAGE_TASKS * 2; number += 1) pages.setLive(number, number);
  for (let number = 1; number < PAGE_TASKS; number += 1) if (number !== 77) pages.setFinished(number, 1);
  pages.purged(0, PAGE_TASKS - 2);
  expect(pages.rowOf(77)).toBe(77);
});

function tagsRestored(tags: readonly number[]): { readonly pages: NumberPages; readonly valueBytes: number } {
  const pages = new NumberPages({ crc32 });
  const database = new FakeDatabase();
  for (const [at, tag] of tags.entries()) {
    pages.setLive(at + 1, at);
    if (tag > 0) pages.setFinished(at + 1, tag);
  }
  const digest = checkpointNow(new Checkpoints([pages.table]), 1, database);
  const restored = new NumberPages({ crc32 });
  const checkpoints = new Checkpoints([restored.table]);
  let valueBytes = 0;
  for (const { key, value } of database.records.values()) {
    checkpoints.restore(key, value);
    valueBytes += value.length;
  }
  for (const [at, tag] of tags.entries()) if (tag === 0) restored.setLive(at + 1, at);
  checkpoints.restored({ index: 1, digest });
  return { pages: restored, valueBytes };
}

test('a restored page answers as before, and tasks that finish together take little space', () => {
  const wild = Array.from({ length: PAGE_TASKS * 2 }, (_, at) =>
    at % 5 === 0 ? 0 : 1 + ((at * 7919) % (2 ** 31 - 1)),
  );
  const { pages } = tagsRestored(wild);
  for (const [at, tag] of wild.entries()) {
    expect(pages.blockTagOf(at + 1)).toBe(tag);
    expect(pages.rowOf(at + 1)).toBe(tag === 0 ? at : -1);
  }
  const tidy = Array.from({ length: PAGE_TASKS }, (_, at) => 1000 + Math.floor(at / 300));
  expect(tagsRestored(tidy).valueBytes).toBeLessThan(100);
});

test('a page that does not read, or contradicts a row, is refused', () => {
  const checkpoints = (pages: NumberPages): Checkpoints => new Checkpoints([pages.table]);
  const key = new Uint8Array(9);
  key[0] = 1;
  expect(nameOf(key)).toBe('1/0');
  for (const value of [
    [1, 5, 2],
    [1, 0, 2],
    [1, 0xff, 0x7f, 2],
    [1, 0x80, 0x20, 1],
    [1, 0x80, 0x20, 2, 0],
  ]) {
    const pages = new NumberPages({ crc32 });
    expect(() => checkpoints(pages).restore(key, Uint8Array.from(value))).toThrow(DecodeError);
  }
  const pages = new NumberPages({ crc32 });
  pages.setLive(3, 0);
  expect(() => checkpoints(pages).restore(key, Uint8Array.of(1, 0x80, 0x20, 2))).toThrow(/both live and finished/);
});
