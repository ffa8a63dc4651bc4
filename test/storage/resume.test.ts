import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import type { Database, DatabaseBatch, DatabaseName } from '../../src/storage/disk.ts';
import { MemoryDisk, type MemoryPlatter } from '../../src/storage/memory-disk.ts';
import type { LogPosition, OpenedStorage, StateRecord } from '../../src/storage/storage.ts';
import { CrashDisk } from './support/crash-disk.ts';
import { command, openOn, openPlatter, refusal } from './support/directory.ts';
import { copyOf } from './support/harm.ts';
import { checkpoint, follower, positionAfter, receive, recordsAt, stateOf } from './support/snapshots.ts';

/** A disk whose log takes nothing once it is full. */
class FullDisk extends MemoryDisk {
  full = false;

  override async openDatabase(name: DatabaseName): Promise<Database> {
    const database = await super.openDatabase(name);
    if (name !== 'log') return database;
    const begin = database.batch.bind(database);
    database.batch = (): DatabaseBatch => {
      const batch = begin();
      const write = batch.write.bind(batch);
      batch.write = (): Promise<void> =>
        this.full ? Promise.reject(new Error('ENOSPC: no space left on device')) : write();
      return batch;
    };
    return database;
  }
}

describe('a state from another peer that was begun with an offer', () => {
  const OFFER_INDEX = 50;

  /** What is left of it when the directory was closed after three of five records. */
  async function interrupted(): Promise<{ platter: MemoryPlatter; base: LogPosition }> {
    const platter = await follower(6);
    const base = await positionAfter(OFFER_INDEX, 2);
    const storage = await openPlatter(platter);
    const staging = await storage.beginSnapshot({ checkpoint: checkpoint(OFFER_INDEX, 2), base });
    await staging.add(recordsAt(OFFER_INDEX).slice(0, 3));
    await storage.close();
    return { platter, base };
  }

  test('is taken up again after the next opening', async () => {
    const { platter, base } = await interrupted();
    const storage = await openPlatter(platter);
    expect(storage.stagedIndex).toBe(OFFER_INDEX);
    expect(await stateOf(storage), 'the old state is in use').toMatch(/^4: /);
    const came: StateRecord[] = [];
    const resumed = (await storage.resumeSnapshot((records) => came.push(...records)))!;
    expect(came).toEqual(recordsAt(OFFER_INDEX).slice(0, 3));
    expect(resumed).toMatchObject({
      checkpoint: checkpoint(OFFER_INDEX, 2),
      base,
      lastKey: Uint8Array.of(3),
      receivedBytes: 9,
    });
    expect(await storage.resumeSnapshot(() => {}), 'once').toBeUndefined();
    await expect(resumed.staging.add(recordsAt(OFFER_INDEX).slice(2))).rejects.toThrow('in the order of their keys');
    await resumed.staging.add(recordsAt(OFFER_INDEX).slice(3));
    await resumed.staging.finish(resumed.checkpoint, resumed.base);
    await resumed.staging.install();
    await storage.close();
    const again = await openPlatter(platter);
    expect(again.stagedIndex).toBeUndefined();
    expect(await stateOf(again)).toBe('50: 1=1.50 2=2.50 3=3.50 4=4.50 5=5.50');
    expect([...platter.databases.keys()].sort()).toEqual(['log', 'state-2']);
    await again.close();
  });

  test('is taken up again and again', async () => {
    const { platter } = await interrupted();
    for (const count of [3, 4]) {
      const storage = await openPlatter(platter);
      let records = 0;
      const resumed = (await storage.resumeSnapshot((page) => (records += page.length)))!;
      expect(records).toBe(count);
      await resumed.staging.add(recordsAt(OFFER_INDEX).slice(count, count + 1));
      await storage.close();
    }
  });

  test('gives way to another one, and goes when it is of no use any more', async () => {
    for (const end of ['begin', 'discard'] as const) {
      const { platter } = await interrupted();
      const storage = await openPlatter(platter);
      if (end === 'begin') await (await storage.beginSnapshot()).discard();
      else await storage.discardStaged();
      expect([...platter.databases.keys()].sort()).toEqual(['log', 'state']);
      expect(await storage.resumeSnapshot(() => {})).toBeUndefined();
      await storage.close();
    }
  });

  test('is begun anew when what came of it does not read, or is of no use to its reader', async () => {
    for (const fault of ['record', 'offer', 'reader'] as const) {
      const { platter } = await interrupted();
      const rows = platter.rows('state-2');
      const rotten = rows[fault === 'offer' ? rows.length - 1 : 1]![1];
      if (fault !== 'reader') rotten[rotten.length - 1]! ^= 1;
      const storage = await openPlatter(platter);
      const resumed = await storage.resumeSnapshot(() => {
        if (fault === 'reader') throw new DecodeError('the records contradict each other');
      });
      expect(resumed).toBeUndefined();
      expect([...platter.databases.keys()].sort()).toEqual(['log', 'state']);
      await storage.close();
    }
  });

  test('is given up where there was no room, so that the log has it', async () => {
    const platter = await follower(6);
    const disk = new FullDisk(platter);
    const storage = await openOn(disk);
    const offer = { checkpoint: checkpoint(OFFER_INDEX, 2), base: await positionAfter(OFFER_INDEX, 2) };
    await (await storage.beginSnapshot(offer)).add(recordsAt(OFFER_INDEX));
    disk.full = true;
    expect((await refusal(storage.log.append({ entries: [command(7, 1)] }))).code).toBe('NO_SPACE');
    await storage.close();
    expect([...platter.databases.keys()].sort()).toEqual(['log', 'state']);
  });

  test('leaves the old state or one that can be taken up, wherever the power goes', async () => {
    const before = await follower(6);
    const base = await positionAfter(OFFER_INDEX, 2);
    let resumable = 0;
    for (let crashAt = 1; ; crashAt += 1) {
      const disk = new CrashDisk(crashAt, { batch: 'lost', slot: 'torn' }, copyOf(before));
      try {
        const storage = await openOn(disk);
        const staging = await storage.beginSnapshot({ checkpoint: checkpoint(OFFER_INDEX, 2), base });
        await receive(staging, OFFER_INDEX, 2, base);
        await staging.install();
        await storage.close();
      } catch (error) {
        if (!disk.off) throw error;
      }
      if (!disk.off) break;
      const after = disk.platterAfter();
      const storage = await openPlatter(after);
      const count = await resumedRecords(storage);
      if (count !== undefined) resumable += 1;
      expect([undefined, 0, 2, 5]).toContain(count);
      expect(await stateOf(storage)).toMatch(count === undefined ? /^(?:4|50): / : /^4: /);
      await storage.close();
    }
    expect(resumable).toBeGreaterThan(1);
  });

  /** How many records there are to go on with; undefined when there is nothing. */
  async function resumedRecords(storage: OpenedStorage): Promise<number | undefined> {
    let records = 0;
    const resumed = await storage.resumeSnapshot((page) => (records += page.length));
    return resumed === undefined ? undefined : records;
  }
});
