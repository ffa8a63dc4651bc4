import { afterEach, describe, expect, test } from 'vitest';
import { type Database, type DatabaseName, type Disk, HEAD_SLOT_BYTES } from '../../src/storage/disk.ts';

/** One data directory that a suite opens again and again, as processes that follow each other would. */
export interface DiskFixture {
  /** Opens the directory. The one before was closed. */
  open(): Promise<Disk> | Disk;
  /** Removes it. */
  dispose(): Promise<void> | void;
}

/** What every implementation of `Disk` keeps to, the one of the product and those of tests and simulator alike. */
export function describeDisk(name: string, make: () => Promise<DiskFixture> | DiskFixture): void {
  describe(`${name} is a disk`, () => {
    let fixture: DiskFixture | undefined;
    let disk: Disk | undefined;
    const databases: Database[] = [];

    async function openDisk(): Promise<Disk> {
      fixture ??= await make();
      disk = await fixture.open();
      return disk;
    }

    async function openDatabase(database: DatabaseName = 'log'): Promise<Database> {
      disk ??= await openDisk();
      const opened = await disk.openDatabase(database);
      databases.push(opened);
      return opened;
    }

    async function closeAll(): Promise<void> {
      for (const database of databases.splice(0)) await database.close();
      await disk?.close();
      disk = undefined;
    }

    afterEach(async () => {
      await closeAll();
      await fixture?.dispose();
      fixture = undefined;
    });

    test('a batch is there as a whole after it was written', async () => {
      const database = await openDatabase();
      await put(database, { a: '1', b: '2' });
      expect(await dump(database)).toEqual({ a: '1', b: '2' });
      const batch = database.batch();
      batch.put(bytes('c'), bytes('3'));
      batch.del(bytes('a'));
      expect(await dump(database), 'nothing is there before the write').toEqual({ a: '1', b: '2' });
      await batch.write();
      expect(await dump(database)).toEqual({ b: '2', c: '3' });
    });

    test('steps on one key take effect in their order', async () => {
      const database = await openDatabase();
      const batch = database.batch();
      batch.put(bytes('a'), bytes('1'));
      batch.del(bytes('a'));
      batch.del(bytes('b'));
      batch.put(bytes('b'), bytes('2'));
      await batch.write();
      expect(await dump(database)).toEqual({ b: '2' });
    });

    test('keys and values are taken over at once', async () => {
      const database = await openDatabase();
      const key = bytes('key');
      const value = bytes('value');
      const batch = database.batch();
      batch.put(key, value);
      key.fill(0);
      value.fill(0);
      await batch.write();
      expect(await dump(database)).toEqual({ key: 'value' });
    });

    test('what a read returns belongs to the reader', async () => {
      const database = await openDatabase();
      await put(database, { a: 'one' });
      (await database.get(bytes('a')))?.fill(0);
      for (const [key, value] of await page(database, {})) {
        key.fill(0);
        value.fill(0);
      }
      expect(await dump(database)).toEqual({ a: 'one' });
    });

    test('what a read returns is no subclass, whose `slice` might not copy', async () => {
      const database = await openDatabase();
      await put(database, { a: 'one' });
      const found = [
        await database.get(bytes('a')),
        (await database.getMany([bytes('a')]))[0],
        ...(await page(database, {})).flat(),
      ];
      expect(found.map((value) => value?.constructor)).toEqual([Uint8Array, Uint8Array, Uint8Array, Uint8Array]);
    });

    test('a view into a larger buffer is stored as what it shows', async () => {
      const database = await openDatabase();
      const around = bytes('..key..value..');
      const batch = database.batch();
      batch.put(around.subarray(2, 5), around.subarray(7, 12));
      await batch.write();
      expect(await dump(database)).toEqual({ key: 'value' });
    });

    test('a discarded batch leaves nothing', async () => {
      const database = await openDatabase();
      const batch = database.batch();
      batch.put(bytes('a'), bytes('1'));
      batch.discard();
      await put(database, { b: '2' });
      expect(await dump(database)).toEqual({ b: '2' });
    });

    test('a key that is not there has no value, and an empty value is one', async () => {
      const database = await openDatabase();
      await put(database, { empty: '' });
      expect(await database.get(bytes('absent'))).toBeUndefined();
      expect(await database.get(bytes('empty'))).toHaveLength(0);
      const many = await database.getMany([bytes('absent'), bytes('empty'), bytes('absent')]);
      expect(many.map((value) => value?.length)).toEqual([undefined, 0, undefined]);
    });

    test('a range is in byte order, from gte to below lt', async () => {
      const database = await openDatabase();
      const batch = database.batch();
      const keys = [[0xff], [0x61, 0x00], [0x61], [0x80], [0x61, 0x61], [0x62]];
      for (const key of keys) batch.put(Uint8Array.from(key), bytes('x'));
      await batch.write();
      const all = await page(database, { lt: Uint8Array.of(0xff, 0xff) });
      expect(all.map(([key]) => [...key])).toEqual([[0x61], [0x61, 0x00], [0x61, 0x61], [0x62], [0x80], [0xff]]);
      const some = await page(database, { gte: Uint8Array.of(0x61, 0x00), lt: Uint8Array.of(0x80) });
      expect(some.map(([key]) => [...key])).toEqual([[0x61, 0x00], [0x61, 0x61], [0x62]]);
    });

    test('a reversed range begins at its highest key', async () => {
      const database = await openDatabase();
      await put(database, { a: '1', b: '2', c: '3', d: '4' });
      const found = await page(database, { gte: bytes('b'), lt: bytes('d'), reverse: true });
      expect(found.map(([key]) => text(key))).toEqual(['c', 'b']);
      const one = await page(database, { reverse: true, limit: 1 });
      expect(one.map(([key]) => text(key))).toEqual(['d']);
    });

    test('a page ends by count and by bytes, and is never empty while something is left', async () => {
      const database = await openDatabase();
      const large = 'x'.repeat(1000);
      await put(database, { a: large, b: large, c: large, d: large });
      expect(await page(database, { limit: 3 })).toHaveLength(3);
      expect(await page(database, { maxBytes: 1 })).toHaveLength(1);
      const found = await page(database, { maxBytes: 1500 });
      expect(found.map(([key]) => text(key))).toEqual(['a', 'b']);
      expect(await page(database, { gte: bytes('e') })).toEqual([]);
    });

    test('pages one after the other give everything once', async () => {
      const database = await openDatabase();
      const batch = database.batch();
      for (let at = 0; at < 500; at += 1) batch.put(Uint8Array.of(1, at >> 8, at & 255), new Uint8Array(100));
      await batch.write();
      const seen: number[] = [];
      let gte = Uint8Array.of(1);
      for (;;) {
        const found = await database.range({ gte, lt: Uint8Array.of(2), limit: 64, maxBytes: 4000 });
        for (const [key] of found) seen.push(((key[1] as number) << 8) | (key[2] as number));
        const last = found.at(-1);
        if (last === undefined) break;
        gte = Uint8Array.of(...last[0], 0);
      }
      expect(seen).toEqual(Array.from({ length: 500 }, (_, at) => at));
    });

    test('the two databases know nothing of each other', async () => {
      const log = await openDatabase('log');
      const state = await openDatabase('state');
      await put(log, { a: 'log' });
      await put(state, { a: 'state' });
      expect([await dump(log), await dump(state)]).toEqual([{ a: 'log' }, { a: 'state' }]);
    });

    test('what was written is there for the next process', async () => {
      await put(await openDatabase('log'), { a: '1' });
      await put(await openDatabase('state'), { b: '2' });
      disk?.writeHeadSlot(1, sector(7));
      await disk?.syncHead();
      await closeAll();
      expect(await dump(await openDatabase('log'))).toEqual({ a: '1' });
      expect(await dump(await openDatabase('state'))).toEqual({ b: '2' });
      expect((await disk?.readHead())?.[1]).toEqual(sector(7));
    });

    test('a database can be closed and opened again under one disk', async () => {
      const database = await openDatabase();
      await put(database, { a: '1' });
      await database.close();
      await database.close();
      expect(await dump(await openDatabase())).toEqual({ a: '1' });
    });

    test('a closed database refuses reads', async () => {
      const database = await openDatabase();
      await database.close();
      await expect(database.get(bytes('a'))).rejects.toThrow(/\w/);
      await expect(page(database, {})).rejects.toThrow(/\w/);
    });

    test('generations of the state are databases of their own, listed in their order', async () => {
      const opened = await openDisk();
      await openDatabase('log');
      expect(await opened.listStates()).toEqual([]);
      for (const generation of ['state-10', 'state-2', 'state'] as const) {
        await put(await openDatabase(generation), { a: generation });
      }
      expect(await opened.listStates()).toEqual(['state', 'state-2', 'state-10']);
      await closeAll();
      expect(await dump(await openDatabase('state-2'))).toEqual({ a: 'state-2' });
      expect(await dump(await openDatabase('state'))).toEqual({ a: 'state' });
    });

    test('a database that is removed is empty when it is opened again', async () => {
      const opened = await openDisk();
      await openDatabase('log');
      const state = await openDatabase('state-2');
      await put(state, { a: '1' });
      await state.close();
      await opened.removeDatabase('state-2');
      await opened.removeDatabase('state-2');
      expect(await opened.listStates()).toEqual([]);
      expect(await dump(await openDatabase('state-2'))).toEqual({});
      await closeAll();
      disk = await openDisk();
      await disk.removeDatabase('log');
      expect(await dump(await openDatabase('log'))).toEqual({});
    });

    test('the ballast is there until it is released', async () => {
      const opened = await openDisk();
      await openDatabase('log');
      expect(await opened.ballastBytes()).toBeUndefined();
      await opened.reserveBallast(1_500_000);
      expect(await opened.ballastBytes()).toBe(1_500_000);
      await closeAll();
      disk = await openDisk();
      expect(await disk.ballastBytes()).toBe(1_500_000);
      await disk.releaseBallast();
      expect(await disk.ballastBytes(), 'that there was one is known').toBe(0);
      await disk.reserveBallast(1_000_000);
      expect(await disk.ballastBytes()).toBe(1_000_000);
      expect(await disk.freeBytes()).toBeGreaterThan(0);
    });

    test('HEAD is absent at first and then has two slots that do not touch each other', async () => {
      const opened = await openDisk();
      await openDatabase();
      expect(await opened.readHead()).toBeUndefined();
      opened.writeHeadSlot(0, sector(1));
      expect((await opened.readHead())?.[0]).toEqual(sector(1));
      expect((await opened.readHead())?.[1].every((byte) => byte === 0)).toBe(true);
      opened.writeHeadSlot(1, sector(2));
      opened.writeHeadSlot(0, sector(3));
      await opened.syncHead();
      expect(await opened.readHead()).toEqual([sector(3), sector(2)]);
    });

    test('the bytes of a slot are the caller’s again after the write', async () => {
      const opened = await openDisk();
      const bytesOfSlot = sector(5);
      opened.writeHeadSlot(0, bytesOfSlot);
      bytesOfSlot.fill(0);
      expect((await opened.readHead())?.[0]).toEqual(sector(5));
    });
  });
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

function sector(fill: number): Uint8Array {
  return new Uint8Array(HEAD_SLOT_BYTES).fill(fill);
}

async function put(database: Database, values: Record<string, string>): Promise<void> {
  const batch = database.batch();
  for (const [key, value] of Object.entries(values)) batch.put(bytes(key), bytes(value));
  await batch.write();
}

function page(database: Database, options: Partial<Parameters<Database['range']>[0]>): ReturnType<Database['range']> {
  return database.range({ gte: Uint8Array.of(0), lt: Uint8Array.of(0xff), limit: 1000, ...options });
}

async function dump(database: Database): Promise<Record<string, string>> {
  const entries = await page(database, {});
  return Object.fromEntries(entries.map(([key, value]) => [text(key), text(value)]));
}
