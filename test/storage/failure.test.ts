import { describe, expect, test } from 'vitest';
import type { Database, DatabaseBatch, DatabaseName, HeadSlot } from '../../src/storage/disk.ts';
import { MemoryDisk, MemoryPlatter } from '../../src/storage/memory-disk.ts';
import type { Checkpoint, OpenedStorage } from '../../src/storage/storage.ts';
import { command, openOn, openPlatter, readAll, refusal } from './support/directory.ts';

type Part = 'log' | 'state' | 'head write' | 'head sync';

/** A disk on which one thing begins to fail, and afterwards works again. */
class FailingDisk extends MemoryDisk {
  failing: Part | undefined;
  reason = 'EIO: i/o error';
  /** Batches that reached the disk. */
  written = 0;

  override async openDatabase(name: DatabaseName): Promise<Database> {
    const inner = await super.openDatabase(name);
    const part = name === 'log' ? 'log' : 'state';
    return {
      batch: () => this.#batch(part, inner.batch()),
      get: (key) => inner.get(key),
      getMany: (keys) => inner.getMany(keys),
      range: (options) => inner.range(options),
      close: () => inner.close(),
    };
  }

  override writeHeadSlot(slot: HeadSlot, sector: Uint8Array): void {
    this.#fail('head write');
    super.writeHeadSlot(slot, sector);
  }

  override async syncHead(): Promise<void> {
    this.#fail('head sync');
    await super.syncHead();
  }

  #batch(part: Part, inner: DatabaseBatch): DatabaseBatch {
    return {
      put: (key, value) => inner.put(key, value),
      del: (key) => inner.del(key),
      discard: () => inner.discard(),
      write: async () => {
        this.#fail(part);
        this.written += 1;
        await inner.write();
      },
    };
  }

  #fail(part: Part): void {
    if (this.failing !== part) return;
    this.failing = undefined;
    throw new Error(this.reason);
  }
}

const CHECKPOINT: Checkpoint = {
  index: 1,
  term: 1,
  logTimeMs: 0,
  configuration: new Uint8Array(0),
  digest: { high: 0, low: 0 },
};

async function opened(): Promise<{ platter: MemoryPlatter; disk: FailingDisk; storage: OpenedStorage }> {
  const platter = new MemoryPlatter();
  const disk = new FailingDisk(platter, 'peers/p1');
  const storage = await openOn(disk);
  await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: [command(1, 1)] });
  await storage.syncHead();
  return { platter, disk, storage };
}

const FAILURES: Record<Part, (storage: OpenedStorage) => Promise<void>> = {
  log: (storage) => storage.log.append({ entries: [command(2, 1)] }),
  state: (storage) => storage.state.beginCheckpoint().commit(CHECKPOINT),
  'head write': (storage) => storage.log.append({ entries: [command(2, 1)] }),
  'head sync': (storage) => storage.log.append({ hardState: { term: 2, votedFor: undefined }, entries: [] }),
};

describe('the first write that fails', () => {
  test.each(Object.keys(FAILURES) as Part[])('ends everything, when it is in: %s', async (part) => {
    const { platter, disk, storage } = await opened();
    expect(storage.failure).toBeUndefined();
    disk.failing = part;
    const first = await refusal(FAILURES[part](storage));
    expect(first.code).toBe('STORAGE_FAILED');
    expect(first.message).toMatch(/ in peers\/p1 failed: EIO: i\/o error\. This peer acknowledges nothing more/);
    expect(storage.failure).toBe(first);

    // The disk works again, and nothing is tried on it: LevelDB would say yes and lose it.
    const written = disk.written;
    expect(await refusal(storage.log.append({ entries: [command(2, 1)] }))).toBe(first);
    expect(await refusal(storage.log.append({ hardState: { term: 3, votedFor: undefined }, entries: [] }))).toBe(first);
    expect(await refusal(storage.log.read(1, 1, 100))).toBe(first);
    expect(await refusal(storage.log.compact(2))).toBe(first);
    expect(() => storage.state.beginCheckpoint()).toThrow(first);
    expect(await refusal(storage.state.get(Uint8Array.of(1)))).toBe(first);
    expect(await refusal(storage.state.getMany([Uint8Array.of(1)]))).toBe(first);
    expect(await refusal(storage.state.range({ limit: 1 }))).toBe(first);
    expect(await refusal(storage.saveFounding({ founded: false, heard: [] }))).toBe(first);
    expect(disk.written).toBe(written);

    await storage.close();
    const again = await openPlatter(platter);
    expect(again.failure).toBeUndefined();
    expect(await readAll(again), 'what was acknowledged is there').toMatch(/^1@1/);
    await again.close();
  });

  test('ends a checkpoint that was begun before it', async () => {
    const { disk, storage } = await opened();
    const writer = storage.state.beginCheckpoint();
    writer.put(Uint8Array.of(1), Uint8Array.of(2));
    disk.failing = 'log';
    const first = await refusal(FAILURES.log(storage));
    expect(await refusal(writer.commit(CHECKPOINT))).toBe(first);
    expect(storage.state.checkpoint).toBeUndefined();
  });

  test('ends an append that was under way beside it', async () => {
    const { disk, storage } = await opened();
    disk.failing = 'state';
    const failing = storage.state.beginCheckpoint().commit(CHECKPOINT);
    const append = storage.log.append({ entries: [command(2, 1)] });
    const first = await refusal(failing);
    expect(await refusal(append)).toBe(first);
  });
});

describe('closed storage', () => {
  test('refuses every call, without having failed', async () => {
    const { storage } = await opened();
    await storage.close();
    await storage.close();
    const error = await refusal(storage.log.append({ entries: [command(2, 1)] }));
    expect(error.message).toContain('was closed');
    expect((await refusal(storage.log.read(1, 1, 1))).code).toBe('STORAGE_FAILED');
    expect(() => storage.state.beginCheckpoint()).toThrow('was closed');
    expect(storage.failure).toBeUndefined();
  });

  test('ends what is under way first, and syncs HEAD', async () => {
    const { platter, storage } = await opened();
    const append = storage.log.append({ entries: [command(2, 1)] });
    await storage.close();
    await append;
    const again = await openPlatter(platter);
    expect(again.log.lastIndex).toBe(2);
  });
});
