import { crc32 } from 'node:zlib';
import { peerId } from '../../../src/base/ids.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { type Entry, EntryKind } from '../../../src/raft/types.ts';
import { type DataDirectoryOptions, openDataDirectory } from '../../../src/storage/data-directory.ts';
import type { Disk } from '../../../src/storage/disk.ts';
import { MemoryDisk, type MemoryPlatter } from '../../../src/storage/memory-disk.ts';
import type { OpenedStorage } from '../../../src/storage/storage.ts';
import { StorageError } from '../../../src/storage/storage-error.ts';

/** Opens the storage of peer p1 of cluster orchard on any disk. New directories get the same incarnation each time. */
export function openOn(disk: Disk, options: Partial<DataDirectoryOptions> = {}): Promise<OpenedStorage> {
  const random = new SeededRandom(1);
  return openDataDirectory(disk, { clusterId: 'orchard', peerId: peerId('p1'), random, crc32, ...options });
}

/** Opens what lies on `platter`. */
export function openPlatter(
  platter: MemoryPlatter,
  options: Partial<DataDirectoryOptions> = {},
): Promise<OpenedStorage> {
  return openOn(new MemoryDisk(platter, 'peers/p1'), options);
}

/** A command of `sizeBytes` that tells its index and term. */
export function command(index: number, term: number, sizeBytes = 16): Entry {
  const data = new Uint8Array(sizeBytes).fill((index * 31 + term) & 0xff);
  return { index, term, kind: EntryKind.command, data };
}

/** Commands `from` to `to`, both inclusive, of one term. */
export function commands(from: number, to: number, term: number, sizeBytes = 16): Entry[] {
  const entries: Entry[] = [];
  for (let index = from; index <= to; index += 1) entries.push(command(index, term, sizeBytes));
  return entries;
}

/** `index@term` of each entry, for comparisons that read well. */
export function brief(entries: readonly Entry[] | 'compacted'): string {
  return entries === 'compacted' ? entries : entries.map(({ index, term }) => `${index}@${term}`).join(' ');
}

/** The whole log as it can be read. */
export async function readAll(storage: OpenedStorage): Promise<string> {
  const { log } = storage;
  if (log.lastIndex < log.firstIndex) return '';
  return brief(await log.read(log.firstIndex, log.lastIndex, Number.MAX_SAFE_INTEGER));
}

/** The `StorageError` that `action` rejects with; fails when it does not. */
export async function refusal(action: Promise<unknown>): Promise<StorageError> {
  try {
    await action;
  } catch (error) {
    if (error instanceof StorageError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
