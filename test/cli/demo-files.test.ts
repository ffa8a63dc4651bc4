import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { groupFiles, listFiles, manifestText, sumFiles } from '../../src/cli/demo/files.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'taskraft-files-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

test('files are listed in order, without dot names and links', async () => {
  mkdirSync(path.join(root, 'b', '.hidden'), { recursive: true });
  for (const file of ['z', 'a', 'b/c', 'b/.dot', 'b/.hidden/d']) writeFileSync(path.join(root, file), file);
  symlinkSync(path.join(root, 'a'), path.join(root, 'link'));
  symlinkSync(path.join(root, 'b'), path.join(root, 'linked'));
  expect(await listFiles(root)).toEqual(['a', 'b/c', 'z']);
});

test('every file is in one group, and there are 500 groups or one a file', () => {
  for (const count of [0, 1, 7, 499, 500, 501, 4_321, 77_777]) {
    const files = Array.from({ length: count }, (_, at) => `f${at}`);
    const groups = groupFiles(files);
    expect(groups.flat()).toEqual(files);
    expect(groups.length).toBeGreaterThanOrEqual(Math.min(count, 500));
    const sizes = groups.map((group) => group.length);
    if (count > 0) expect(Math.min(...sizes)).toBeGreaterThanOrEqual(1);
    expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(100);
  }
});

test('sums are those of the bytes, also of an empty file and of one larger than what is read at a time', async () => {
  const large = Buffer.alloc(2_500_000, 'taskraft');
  writeFileSync(path.join(root, 'empty'), '');
  writeFileSync(path.join(root, 'large'), large);
  expect(await sumFiles(root, ['large', 'empty'])).toEqual([
    { path: 'large', sizeBytes: large.length, sha256: createHash('sha256').update(large).digest('hex') },
    { path: 'empty', sizeBytes: 0, sha256: createHash('sha256').digest('hex') },
  ]);
});

test('a file that cannot be read has a line that says so', async () => {
  expect(await sumFiles(root, ['missing'])).toEqual([{ path: 'missing', sizeBytes: 0, sha256: '' }]);
});

test('a manifest is sorted by path, whatever the sums are', () => {
  const sums = [
    { path: 'b', sizeBytes: 1, sha256: '0' },
    { path: 'a c', sizeBytes: 1, sha256: '9' },
    { path: 'a', sizeBytes: 12, sha256: '5' },
  ];
  expect(manifestText(sums)).toBe('5 12 a\n9 1 a c\n0 1 b\n');
});
