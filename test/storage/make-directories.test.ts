import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LevelDisk } from '../../src/storage/level-disk.ts';
import { makeDirectories } from '../../src/storage/make-directories.ts';
import { useDirectories } from './support/directories.ts';

const newDirectory = useDirectories();

test('directories are made level by level, for their owner alone, and those that are there are left as they are', () => {
  const directory = newDirectory();
  mkdirSync(join(directory, 'there'), { recursive: true, mode: 0o755 });
  expect(makeDirectories(join(directory, 'there', 'a', 'b'))).toBe(true);
  expect(statSync(join(directory, 'there', 'a', 'b')).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, 'there', 'a')).mode & 0o777).toBe(0o700);
  expect(makeDirectories(join(directory, 'there', 'a', 'b'))).toBe(false);
});

test('what cannot be a directory is refused', () => {
  const directory = newDirectory();
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'file');
  writeFileSync(file, '');
  expect(() => makeDirectories(file)).toThrow('EEXIST');
  expect(() => makeDirectories(join(file, 'below'))).toThrow('ENOTDIR');
});

// The recursive mkdir of Node never returns there.
test.runIf(process.platform === 'linux')('a directory that takes no other is refused, and not asked for ever', () => {
  expect(() => makeDirectories('/proc/taskraft')).toThrow('ENOENT');
  expect(() => new LevelDisk('/proc/taskraft/p1')).toThrow('the data directory /proc/taskraft/p1 cannot be used');
});
