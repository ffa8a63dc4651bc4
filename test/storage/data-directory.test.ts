import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { SeededRandom } from '../../src/base/random.ts';
import { MemoryDisk, MemoryPlatter } from '../../src/storage/memory-disk.ts';
import { FOUNDERS_MAX, type Founder } from '../../src/storage/storage.ts';
import { command, openPlatter, refusal } from './support/directory.ts';

const INCARNATION = '00112233445566778899aabbccddeeff';

describe('a data directory', () => {
  test('gets an incarnation when it is made, and keeps it', async () => {
    const platter = new MemoryPlatter();
    const first = await openPlatter(platter, { random: new SeededRandom(1) });
    expect(first.identity).toMatchObject({ clusterId: 'orchard', peerId: 'p1' });
    expect(first.identity.incarnation).toMatch(/^[0-9a-f]{32}$/);
    await first.close();
    const again = await openPlatter(platter, { random: new SeededRandom(2) });
    expect(again.identity).toEqual(first.identity);
    const other = await openPlatter(new MemoryPlatter(), { random: new SeededRandom(2) });
    expect(other.identity.incarnation).not.toBe(first.identity.incarnation);
  });

  test('remembers what it knows about the founding', async () => {
    const platter = new MemoryPlatter();
    let storage = await openPlatter(platter);
    expect(storage.founding).toEqual({ founded: false, heard: [] });
    const heard = [
      { peerId: peerId('p1'), incarnation: storage.identity.incarnation },
      { peerId: peerId('p2'), incarnation: INCARNATION },
    ];
    await storage.saveFounding({ founded: false, heard });
    await storage.close();
    storage = await openPlatter(platter);
    expect(storage.founding).toEqual({ founded: false, heard });
    await storage.saveFounding({ founded: true, heard });
    expect(storage.founding.founded).toBe(true);
    await storage.close();
    storage = await openPlatter(platter);
    expect(storage.founding).toEqual({ founded: true, heard });
  });

  test('names few founders', async () => {
    const storage = await openPlatter(new MemoryPlatter());
    const heard: Founder[] = Array.from({ length: FOUNDERS_MAX + 1 }, () => ({
      peerId: peerId('p2'),
      incarnation: INCARNATION,
    }));
    await expect(storage.saveFounding({ founded: false, heard })).rejects.toThrow('few founders');
  });

  test('writes the founding as the one write in flight', async () => {
    const storage = await openPlatter(new MemoryPlatter());
    const founding = storage.saveFounding({ founded: true, heard: [] });
    const batch = { hardState: { term: 1, votedFor: undefined }, entries: [command(1, 1)] };
    expect(() => storage.log.append(batch)).toThrow('one append is in flight');
    await founding;
    await storage.log.append(batch);
  });

  test('hands what it recovered over once, and lets go of it', async () => {
    const storage = await openPlatter(new MemoryPlatter());
    storage.takeRecovered();
    expect(() => storage.takeRecovered()).toThrow('taken once');
  });

  test('lets go of the lock when it is refused, and when it is closed', async () => {
    const platter = new MemoryPlatter();
    await (await openPlatter(platter)).close();
    expect((await refusal(openPlatter(platter, { clusterId: 'meadow' }))).code).toBe('WRONG_CLUSTER');
    const storage = await openPlatter(platter);
    expect(() => new MemoryDisk(platter)).toThrow('in use by another process');
    await storage.close();
    expect(platter.locked).toBe(false);
  });

  test('is known by HEAD alone when its databases are gone', async () => {
    const platter = new MemoryPlatter();
    await (await openPlatter(platter)).close();
    platter.databases.set('log', []);
    platter.databases.set('state', []);
    expect((await refusal(openPlatter(platter, { clusterId: 'meadow' }))).code).toBe('WRONG_CLUSTER');
    expect((await refusal(openPlatter(platter, { peerId: peerId('p2') }))).code).toBe('WRONG_PEER');
  });

  test('brings HEAD up to a log that got further before a crash, before anything is acknowledged', async () => {
    const platter = new MemoryPlatter();
    const storage = await openPlatter(platter);
    await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: [command(1, 1)] });
    const headBefore = platter.head?.map((slot) => slot.slice()) as [Uint8Array, Uint8Array];
    await storage.log.append({ entries: [command(2, 1)] });
    await storage.close();
    platter.head = headBefore;
    await (await openPlatter(platter)).close();
    const entriesAt = platter.rows('log').length - 2;
    const kept = platter.rows('log').filter(([key]) => key[0] !== 0x65 || (key[8] as number) < 2);
    platter.databases.set('log', kept);
    expect(platter.rows('log').length).toBe(entriesAt);
    expect((await refusal(openPlatter(platter))).message).toContain(
      'although this peer had acknowledged entries up to 2',
    );
  });
});
