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

const FULL = 'ENOSPC: no space left on device';
const MIB = 1024 * 1024;

describe('a full disk', () => {
  test('is told by name, and the ballast is given back for the next open', async () => {
    const { platter, disk, storage } = await opened();
    expect(await storage.space()).toEqual({ freeBytes: 2 ** 40, ballast: false });
    expect(await storage.space()).toEqual({ freeBytes: 2 ** 40, ballast: true });
    expect(platter.ballastBytes).toBe(64 * MIB);
    disk.failing = 'log';
    disk.reason = FULL;
    const error = await refusal(storage.log.append({ entries: [command(2, 1)] }));
    expect([error.code, error.message]).toEqual([
      'NO_SPACE',
      'writing the Raft log in peers/p1 failed: ENOSPC: no space left on device. This peer acknowledges nothing more; it goes on when it is opened again, once its file system has room.',
    ]);
    await storage.close();
    expect(platter.ballastBytes).toBe(0);
    const again = await openPlatter(platter);
    await again.log.append({ entries: [command(again.log.lastIndex + 1, 1)] });
    await again.close();
  });

  test.each([
    ['LevelDB', 'IO error: peers/p1/log/000007.log: No space left on device'],
    ['a quota', 'EDQUOT: disk quota exceeded, write'],
  ])('is known by what %s says', async (_who, reason) => {
    const { disk, storage } = await opened();
    disk.failing = 'state';
    disk.reason = reason;
    const error = await refusal(storage.state.beginCheckpoint().commit(CHECKPOINT));
    expect(error.code).toBe('NO_SPACE');
  });

  test('is opened with what the ballast gives, when it cannot be opened without', async () => {
    const { platter, storage } = await opened();
    await storage.space();
    await storage.close();
    expect(platter.ballastBytes).toBe(64 * MIB);
    const full = new FailingDisk(platter, 'peers/p1');
    full.failing = 'head write';
    full.reason = FULL;
    const again = await openOn(full);
    expect(platter.ballastBytes).toBe(0);
    expect(again.log.lastIndex).toBe(1);
    await again.close();
    const without = new FailingDisk(platter, 'peers/p1');
    without.failing = 'head write';
    without.reason = FULL;
    const error = await refusal(openOn(without));
    expect([error.code, error.message]).toEqual([
      'NO_SPACE',
      'writing HEAD in peers/p1 failed: ENOSPC: no space left on device. This peer acknowledges nothing more; it goes on when it is opened again, once its file system has room.',
    ]);
    expect(platter.locked).toBe(false);
  });

  test('has a ballast again only when there is plenty of room', async () => {
    const platter = new MemoryPlatter();
    platter.ballastBytes = 0;
    platter.freeBytes = 255 * MIB;
    const storage = await openPlatter(platter);
    expect(await storage.space()).toEqual({ freeBytes: 255 * MIB, ballast: false });
    expect(platter.ballastBytes).toBe(0);
    platter.freeBytes = 256 * MIB;
    await storage.space();
    expect(await storage.space()).toEqual({ freeBytes: 256 * MIB, ballast: true });
    await storage.close();
  });

  test.each([
    [100, 64 * MIB, 12.5 * MIB],
    [1000, 64 * MIB, 64 * MIB],
    [1000, 2 * MIB, 2 * MIB],
    [1000, 0, undefined],
    [7, 64 * MIB, undefined],
  ])('with %i MiB free takes of %i bytes of ballast %s', async (freeMib, ballastBytes, taken) => {
    const platter = new MemoryPlatter();
    platter.freeBytes = freeMib * MIB;
    const storage = await openPlatter(platter, { ballastBytes });
    await storage.space();
    await storage.close();
    expect(platter.ballastBytes).toBe(taken);
  });

  test('ends a snapshot that arrives, and nothing else', async () => {
    const { disk, storage } = await opened();
    const staging = await storage.beginSnapshot();
    disk.failing = 'state';
    disk.reason = FULL;
    const error = await refusal(staging.add([{ key: Uint8Array.of(1), value: Uint8Array.of(1) }]));
    expect(error.code).toBe('NO_SPACE');
    await staging.discard();
    expect(storage.failure).toBeUndefined();
    await storage.log.append({ entries: [command(2, 1)] });
    await storage.close();
  });
});

describe('troubles of the system that are no damage', () => {
  /** A disk that opens and cannot be read, for a reason. */
  class UnreadableDisk extends MemoryDisk {
    reason: string | undefined;

    override async openDatabase(name: DatabaseName): Promise<Database> {
      const inner = await super.openDatabase(name);
      const read = <Value>(value: Promise<Value>): Promise<Value> =>
        this.reason === undefined ? value : Promise.reject(new Error(this.reason));
      return {
        batch: () => inner.batch(),
        get: (key) => read(inner.get(key)),
        getMany: (keys) => read(inner.getMany(keys)),
        range: (options) => read(inner.range(options)),
        close: () => inner.close(),
      };
    }
  }

  test.each([
    ['IO error: log/000005.ldb: Too many open files', 'ulimit -n'],
    ['IO error: log/000005.ldb: Input/output error', 'taskraft cluster replace'],
    ['IO error: log/000005.ldb: Permission denied', 'may read and write'],
    ['IO error: log/000005.ldb: Cannot allocate memory', 'more memory'],
  ])('%s: nothing is cut, and the operator is told', async (reason, advice) => {
    const { platter, storage } = await opened();
    await storage.close();
    const disk = new UnreadableDisk(platter, 'peers/p1');
    disk.reason = reason;
    const error = await refusal(openOn(disk, { repairable: true }));
    expect(error.code).toBe('STORAGE_FAILED');
    expect(error.message).toContain(`the data directory peers/p1 cannot be read: ${reason}. `);
    expect(error.message).toContain(advice);
    const again = await openPlatter(platter);
    expect(again.log.lastIndex).toBe(1);
    await again.close();
  });

  test('are told at reading, too', async () => {
    const { platter, storage: first } = await opened();
    await first.close();
    const disk = new UnreadableDisk(platter, 'peers/p1');
    const storage = await openOn(disk);
    disk.reason = 'IO error: state/000005.ldb: Input/output error';
    expect((await refusal(storage.state.get(Uint8Array.of(1)))).code).toBe('STORAGE_FAILED');
    expect((await refusal(storage.log.read(1, 1, 10))).code).toBe('STORAGE_FAILED');
    disk.reason = 'Corruption: bad entry in block';
    expect((await refusal(storage.state.get(Uint8Array.of(1)))).code).toBe('STATE_DAMAGED');
    expect((await refusal(storage.log.read(1, 1, 10))).code).toBe('LOG_DAMAGED');
    await storage.close();
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
