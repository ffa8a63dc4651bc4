import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter, DecodeError } from '../../src/base/bytes.ts';
import { peerId } from '../../src/base/ids.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { compareKeys, entryKey, indexOfKey, isEntryKey, isMetaKey, keyAfter, metaKey } from '../../src/storage/keys.ts';
import { LOG_START, LogCodec } from '../../src/storage/log-record.ts';
import type { LogPosition } from '../../src/storage/storage.ts';
import { beginRecord, openRecord, RECORD_KIND, sealRecord, UnknownFormatError } from '../../src/storage/record.ts';

const KEY = Uint8Array.of(1, 2, 3);

function record(body: Uint8Array, key = KEY): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, RECORD_KIND.state);
  writer.raw(body);
  sealRecord(writer, crc32, key);
  return writer.take();
}

describe('the envelope of a record', () => {
  test('gives back the body', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (body) => {
        const { reader } = openRecord(record(body), crc32, KEY, RECORD_KIND.state);
        expect(reader.raw(reader.remaining)).toEqual(body);
      }),
    );
  });

  test('finds every flipped bit', () => {
    const whole = record(Uint8Array.of(10, 20, 30, 40));
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const damaged = whole.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => openRecord(damaged, crc32, KEY, RECORD_KIND.state), `bit ${bit}`).toThrow('checksum');
    }
  });

  test('finds every cut', () => {
    const whole = record(Uint8Array.of(10, 20, 30, 40));
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => openRecord(whole.subarray(0, length), crc32, KEY, RECORD_KIND.state)).toThrow(DecodeError);
    }
  });

  test('finds a record under another key, and one of another kind', () => {
    const whole = record(Uint8Array.of(10));
    expect(() => openRecord(whole, crc32, Uint8Array.of(1, 2, 4), RECORD_KIND.state)).toThrow('checksum');
    expect(() => openRecord(whole, crc32, KEY, RECORD_KIND.meta)).toThrow('kind 6 where 2');
  });

  test('tells a later format from damage', () => {
    const writer = new ByteWriter();
    beginRecord(writer, RECORD_KIND.state);
    const later = writer.take();
    later[5] = 2;
    writer.reset();
    writer.raw(later);
    sealRecord(writer, crc32, KEY);
    expect(() => openRecord(writer.view(), crc32, KEY, RECORD_KIND.state)).toThrow(UnknownFormatError);
  });
});

describe('keys of the log', () => {
  const index = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

  test('tell their index', () => {
    fc.assert(
      fc.property(index, (value) => {
        expect(indexOfKey(entryKey(value))).toBe(value);
        expect(indexOfKey(metaKey(value))).toBe(value);
        expect([isEntryKey(entryKey(value)), isMetaKey(entryKey(value))]).toEqual([true, false]);
        expect([isEntryKey(metaKey(value)), isMetaKey(metaKey(value))]).toEqual([false, true]);
      }),
    );
  });

  test('sort by index, each meta record right behind its entry', () => {
    fc.assert(
      fc.property(index, index, (left, right) => {
        fc.pre(left < right);
        expect(compareKeys(entryKey(left), metaKey(left))).toBeLessThan(0);
        expect(compareKeys(metaKey(left), entryKey(right))).toBeLessThan(0);
        expect(compareKeys(keyAfter(entryKey(left)), metaKey(left))).toBeLessThan(0);
      }),
    );
  });
});

describe('records of the log', () => {
  const codec = new LogCodec(crc32);
  const entries = fc.record({
    index: fc.integer({ min: 1, max: 2 ** 50 }),
    term: fc.integer({ min: 1, max: 2 ** 50 }),
    kind: fc.constantFrom(EntryKind.noop, EntryKind.command),
    data: fc.uint8Array({ maxLength: 300 }),
  });

  test('an entry comes back as it was, with the chain before and after it', () => {
    fc.assert(
      fc.property(entries, fc.nat(), fc.nat(), (entry, high, low) => {
        const writer = new ByteWriter();
        const previous: LogPosition = { index: entry.index - 1, term: 0, chain: { high, low } };
        const position = codec.encodeEntry(writer, entryKey(entry.index), entry, previous);
        const read = codec.decodeEntry(writer.take(), entry.index);
        expect(read).toMatchObject({ entry, previous: previous.chain, position });
      }),
    );
  });

  test('the chain tells apart entries that differ in anything, or in what came before', () => {
    const entry = { index: 7, term: 3, kind: EntryKind.command, data: Uint8Array.of(1, 2, 3) };
    const others = [
      entry,
      { ...entry, term: 4 },
      { ...entry, kind: EntryKind.noop },
      { ...entry, data: Uint8Array.of(1, 2, 4) },
      { ...entry, data: Uint8Array.of(1, 2) },
    ];
    const writer = new ByteWriter();
    const chains = new Set<string>();
    for (const previous of [
      LOG_START,
      { ...LOG_START, chain: { high: 1, low: 0 } },
      { ...LOG_START, chain: { high: 0, low: 1 } },
    ]) {
      for (const other of others)
        chains.add(JSON.stringify(codec.encodeEntry(writer, entryKey(7), other, previous).chain));
    }
    expect(chains.size).toBe(15);
  });

  test('a meta record comes back as it was', () => {
    const writer = new ByteWriter();
    const meta = {
      base: { index: 5, term: 1, chain: { high: 1, low: 2 } },
      last: { index: 9, term: 3, chain: { high: 3, low: 4 } },
      hardState: { term: 4, votedFor: peerId('p3') },
    };
    codec.encodeMeta(writer, metaKey(9), meta);
    expect(codec.decodeMeta(writer.view(), 9)).toEqual(meta);
    codec.encodeMeta(writer, metaKey(9), { ...meta, hardState: { term: 4, votedFor: undefined } });
    expect(codec.decodeMeta(writer.view(), 9).hardState).toEqual({ term: 4, votedFor: undefined });
  });
});
