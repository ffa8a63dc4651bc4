import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { SimDisk } from '../../sim/disk.ts';
import { SimPlatter } from '../../sim/platter.ts';
import { CALM_DISK } from '../../sim/options.ts';
import { SimProcess } from '../../sim/process.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';
import type { Database } from '../../src/storage/disk.ts';
import { HEAD_SLOT_BYTES } from '../../src/storage/disk.ts';
import { describeDisk } from '../storage/conformance.ts';
import { Drive } from './support/drive.ts';

const CLOCK = { rate: 1, skewMs: 0, lookUs: 0 };

/** A platter in a world of its own, and processes that have it one after the other. */
class Desk {
  readonly world: World;
  readonly platter: SimPlatter;
  readonly drive: Drive;
  #starts = 0;
  process: SimProcess;
  failing = false;

  constructor(seed: number) {
    this.world = new World(seed, new Trace());
    this.platter = new SimPlatter(this.world.random('platter'), crc32);
    this.process = new SimProcess(this.world, 'p1', 'p1#0', CLOCK);
    this.drive = new Drive(this.world);
  }

  open(writing: () => void = () => {}): SimDisk {
    this.#starts += 1;
    this.process = new SimProcess(this.world, 'p1', `p1#${this.#starts}`, CLOCK);
    return new SimDisk(this.world, this.platter, this.process, {
      speed: () => CALM_DISK,
      writing,
      failure: () => (this.failing ? new Error('EIO: the disk failed') : undefined),
    });
  }

  crash(power: boolean): void {
    this.process.kill();
    this.platter.crash(power);
  }
}

describeDisk('SimDisk', () => {
  const desk = new Desk(1);
  desk.drive.start();
  return { open: () => desk.open(), dispose: () => desk.drive.stop() };
});

describe('a crash of the simulated disk', () => {
  async function read(desk: Desk, key: string): Promise<number | undefined> {
    const database = await desk.drive.through(desk.open().openDatabase('state'));
    const value = await desk.drive.through(database.get(bytes(key)));
    return value?.[0];
  }

  test('leaves a batch that was on its way as a whole or not at all, and both happen', async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const desk = new Desk(seed);
      const database: Database = await desk.drive.through(desk.open().openDatabase('state'));
      const batch = database.batch();
      batch.put(bytes('a'), Uint8Array.of(1));
      batch.put(bytes('b'), Uint8Array.of(2));
      void batch.write();
      desk.crash(seed % 2 === 0);
      const values = [await read(desk, 'a')];
      desk.crash(false);
      values.push(await read(desk, 'b'));
      found.add(values.join());
    }
    expect(found).toEqual(new Set([',', '1,2']));
  });

  test('never takes back what was synced', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const desk = new Desk(seed);
      const disk = desk.open();
      const database = await desk.drive.through(disk.openDatabase('state'));
      const batch = database.batch();
      batch.put(bytes('a'), Uint8Array.of(1));
      await desk.drive.through(batch.write());
      disk.writeHeadSlot(0, sector(7));
      await desk.drive.through(disk.syncHead());
      desk.crash(true);
      expect(await read(desk, 'a')).toBe(1);
      desk.crash(true);
      expect((await desk.drive.through(desk.open().readHead()))?.[0]).toEqual(sector(7));
    }
  });

  test('leaves each slot of HEAD as it was synced or as it was written since, and without power both happen', async () => {
    const found = new Set<number | undefined>();
    for (let seed = 1; seed <= 30; seed += 1) {
      const desk = new Desk(seed);
      const disk = desk.open();
      disk.writeHeadSlot(0, sector(1));
      await desk.drive.through(disk.syncHead());
      disk.writeHeadSlot(0, sector(2));
      disk.writeHeadSlot(0, sector(3));
      desk.crash(true);
      found.add((await desk.drive.through(desk.open().readHead()))?.[0][0]);
    }
    expect(found).toEqual(new Set([1, 2, 3]));
  });

  test('keeps an unsynced sector when only the process dies', async () => {
    const desk = new Desk(1);
    desk.open().writeHeadSlot(1, sector(9));
    desk.crash(false);
    expect((await desk.drive.through(desk.open().readHead()))?.[1]).toEqual(sector(9));
  });

  test('ends what the dead process still waited for', async () => {
    const desk = new Desk(1);
    const database = await desk.drive.through(desk.open().openDatabase('log'));
    let heard = false;
    void database.get(bytes('a')).then(() => (heard = true));
    desk.crash(false);
    await desk.world.run(desk.world.nowUs + 10_000_000);
    expect(heard).toBe(false);
  });

  test('is not needed for a write to fail, of which nothing is known then', async () => {
    const found = new Set<number | undefined>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const desk = new Desk(seed);
      const database = await desk.drive.through(desk.open().openDatabase('state'));
      const batch = database.batch();
      batch.put(bytes('a'), Uint8Array.of(1));
      desk.failing = true;
      await expect(desk.drive.through(batch.write())).rejects.toThrow('EIO');
      desk.failing = false;
      desk.crash(false);
      found.add(await read(desk, 'a'));
    }
    expect(found).toEqual(new Set([1, undefined]));
  });

  test('can happen in the middle of a write, after which the process says nothing', async () => {
    const desk = new Desk(1);
    const disk = desk.open(() => desk.process.kill());
    disk.writeHeadSlot(0, sector(1));
    disk.writeHeadSlot(0, sector(2));
    expect(desk.platter.head?.[0]).toEqual(sector(1));
  });
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function sector(fill: number): Uint8Array {
  return new Uint8Array(HEAD_SLOT_BYTES).fill(fill);
}
