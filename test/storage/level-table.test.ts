import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Level } from 'level';
import { beforeAll, describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import { SeededRandom } from '../../src/base/random.ts';
import { crc32c } from '../../src/storage/crc32c.ts';
import { tablesOf } from '../../src/storage/level-manifest.ts';
import { checkTable as checkSteps } from '../../src/storage/level-table.ts';
import { useDirectories } from './support/directories.ts';

/** Takes a check to its end. */
function checkTable(file: Uint8Array, allChecksums: boolean): void {
  for (const step of checkSteps(file, allChecksums)) expect(step).toBeUndefined();
}

const newDirectory = useDirectories();

/** The table and the manifest of a database with keys that share beginnings, were overwritten and deleted. */
async function makeTable(): Promise<{ table: Uint8Array; manifest: Uint8Array; number: number }> {
  const location = newDirectory();
  const options = { keyEncoding: 'view', valueEncoding: 'view', compression: false } as const;
  let level = new Level<Uint8Array, Uint8Array>(location, options);
  await level.open();
  const batch = level.batch();
  for (let at = 0; at < 400; at += 1) batch.put(Uint8Array.of(7, at >> 4, at & 15), new Uint8Array(at % 50).fill(at));
  for (let at = 0; at < 400; at += 3) batch.put(Uint8Array.of(7, at >> 4, at & 15), Uint8Array.of(1));
  for (let at = 0; at < 400; at += 7) batch.del(Uint8Array.of(7, at >> 4, at & 15));
  await batch.write();
  await level.close();
  level = new Level<Uint8Array, Uint8Array>(location, options);
  await level.open();
  await level.close();
  const names = readdirSync(location);
  const name = names.find((each) => each.endsWith('.ldb')) as string;
  const manifestName = readFileSync(join(location, 'CURRENT'), 'latin1').trim();
  return {
    table: Uint8Array.from(readFileSync(join(location, name))),
    manifest: Uint8Array.from(readFileSync(join(location, manifestName))),
    number: Number.parseInt(name, 10),
  };
}

/** `right`, or the name of the error. */
function verdict(table: Uint8Array, allChecksums: boolean): string {
  try {
    checkTable(table, allChecksums);
    return 'right';
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

describe('a table of LevelDB', () => {
  const made = { table: new Uint8Array(0), manifest: new Uint8Array(0), number: 0 };
  beforeAll(async () => {
    Object.assign(made, await makeTable());
  });

  test('is right as LevelDB wrote it, and named by the manifest', () => {
    expect(() => checkTable(made.table, true)).not.toThrow();
    expect(() => checkTable(made.table, false)).not.toThrow();
    expect(tablesOf(made.manifest)).toEqual([made.number]);
  });

  test('is damaged by every flipped bit of a block', () => {
    const random = new SeededRandom(3);
    for (let round = 0; round < 800; round += 1) {
      const harmed = made.table.slice();
      // The footer has padding that means nothing.
      const at = random.uint32() % (harmed.length - 48);
      harmed[at] = (harmed[at] as number) ^ (1 << (round & 7));
      expect(() => checkTable(harmed, true), `byte ${at}`).toThrow(DecodeError);
    }
  });

  test('is damaged by whatever else may lie there, and never asks for what is not there', () => {
    const random = new SeededRandom(4);
    for (let round = 0; round < 800; round += 1) {
      const harmed = made.table.slice(0, round % 5 === 0 ? random.uint32() % made.table.length : made.table.length);
      const at = random.uint32() % Math.max(harmed.length, 1);
      harmed.fill(random.uint32() & 0xff, at, at + 1 + (random.uint32() % 300));
      for (const allChecksums of [true, false]) {
        expect(['right', 'DecodeError']).toContain(verdict(harmed, allChecksums));
      }
    }
  });

  test('is cut at any place to a damaged one', () => {
    for (let length = 0; length < made.table.length; length += 13) {
      expect(() => checkTable(made.table.subarray(0, length), false)).toThrow(DecodeError);
    }
  });
});

describe('a manifest of LevelDB', () => {
  test('that does not read names nothing, and that is cut names what came before', async () => {
    const { manifest } = await makeTable();
    for (let at = 0; at < manifest.length; at += 1) {
      const harmed = manifest.slice();
      harmed[at] = 0xee;
      expect(() => tablesOf(harmed)).not.toThrow();
      expect(() => tablesOf(manifest.subarray(0, at))).not.toThrow();
    }
    expect(tablesOf(new Uint8Array(0))).toEqual([]);
  });
});

test('CRC-32C is that of its published test vectors', () => {
  // RFC 3720, appendix B.4.
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe(0x46dd794e);
  expect(
    crc32c(
      Uint8Array.from({ length: 34 }, (_, at) => at - 1),
      1,
      33,
    ),
  ).toBe(0x46dd794e);
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});
