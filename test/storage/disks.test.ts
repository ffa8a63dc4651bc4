import { rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LevelDisk } from '../../src/storage/level-disk.ts';
import { MemoryDisk, MemoryPlatter } from '../../src/storage/memory-disk.ts';
import { describeDisk } from './conformance.ts';

describeDisk('MemoryDisk', () => {
  const platter = new MemoryPlatter();
  return { open: () => new MemoryDisk(platter), dispose: () => undefined };
});

describeDisk('LevelDisk', () => {
  const directory = mkdtempSync(join(tmpdir(), 'taskraft-disk-'));
  return {
    open: () => new LevelDisk(directory),
    dispose: () => rmSync(directory, { recursive: true }),
  };
});
