import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DecodeError } from '../../../src/base/bytes.ts';
import { Checkpoints } from '../../../src/scheduler/memory/checkpoints.ts';
import { Names } from '../../../src/scheduler/memory/names.ts';
import { checkpointNow, crc32, FakeDatabase } from './support.ts';

test('a name has one number in its namespace, for ever', () => {
  const names = new Names({ crc32 });
  expect(names.find(1, 'mail')).toBe(0);
  expect(names.intern(1, 'mail')).toBe(1);
  expect(names.intern(2, 'mail')).toBe(2);
  expect(names.intern(1, 'mail')).toBe(1);
  expect([names.nameOf(2), names.namespaceOf(2)]).toEqual(['mail', 2]);
});

test('when all numbers are given out, new names get none and known ones keep theirs', () => {
  const names = new Names({ crc32, namesMax: 2 });
  names.intern(1, 'a');
  names.intern(1, 'b');
  expect(names.intern(1, 'c')).toBe(0);
  expect(names.intern(1, 'b')).toBe(2);
});

test('names past the first Map are found too', () => {
  const names = new Names({ crc32 });
  for (let at = 1; at <= 70_000; at += 1) names.intern(1, `q${at}`);
  expect(names.find(1, 'q1')).toBe(1);
  expect(names.find(1, 'q70000')).toBe(70_000);
  expect(names.find(1, 'q70001')).toBe(0);
});

test('restored in any order they are the same, and go on with the same numbers', () => {
  const names = new Names({ crc32 });
  const database = new FakeDatabase();
  for (const name of ['a', 'b', 'c', 'd']) names.intern(name.charCodeAt(0) % 2, name);
  const digest = checkpointNow(new Checkpoints([names.table]), 1, database);
  const records = [...database.records.values()];
  fc.assert(
    fc.property(fc.shuffledSubarray(records, { minLength: 4 }), (shuffled) => {
      const restored = new Names({ crc32 });
      const checkpoints = new Checkpoints([restored.table]);
      for (const { key, value } of shuffled) checkpoints.restore(key, value);
      restored.restored();
      checkpoints.restored({ index: 1, digest });
      expect(restored.find(1, 'c')).toBe(3);
      expect(restored.intern(1, 'e')).toBe(5);
    }),
  );
  const holed = new Names({ crc32 });
  const checkpoints = new Checkpoints([holed.table]);
  for (const { key, value } of records.slice(1)) checkpoints.restore(key, value);
  expect(() => holed.restored()).toThrow(DecodeError);
});
