import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { ENTRY_OVERHEAD_BYTES } from '../../src/storage/log-record.ts';
import { SIZE_MARK_BYTES } from '../../src/storage/log-sizes.ts';
import { MemoryPlatter } from '../../src/storage/memory-disk.ts';
import type { OpenedStorage } from '../../src/storage/storage.ts';
import { brief, command, commands, openPlatter, readAll } from './support/directory.ts';

const P2 = peerId('p2');

async function openWith(platter: MemoryPlatter, to: number, term = 1): Promise<OpenedStorage> {
  const storage = await openPlatter(platter);
  await storage.log.append({ hardState: { term, votedFor: undefined }, entries: commands(1, to, term) });
  return storage;
}

describe('the log', () => {
  test('is empty at first', async () => {
    const storage = await openPlatter(new MemoryPlatter());
    expect(storage.takeRecovered()).toEqual({
      hardState: { term: 0, votedFor: undefined },
      firstIndex: 1,
      lastIndex: 0,
      prevTerm: 0,
      termRuns: [],
      entries: [],
      configurations: [],
    });
    expect(storage.log).toMatchObject({ firstIndex: 1, lastIndex: 0, sizeBytes: 0 });
  });

  test('comes back after a restart with hard state, term runs and entries', async () => {
    const platter = new MemoryPlatter();
    const first = await openWith(platter, 3);
    await first.log.append({
      hardState: { term: 4, votedFor: P2 },
      entries: [command(4, 2), command(5, 4)],
    });
    await first.close();
    const second = await openPlatter(platter);
    const recovered = second.takeRecovered();
    expect(recovered).toMatchObject({
      hardState: { term: 4, votedFor: P2 },
      firstIndex: 1,
      lastIndex: 5,
    });
    expect(recovered.termRuns).toEqual([
      { index: 1, term: 1 },
      { index: 4, term: 2 },
      { index: 5, term: 4 },
    ]);
    expect(recovered.entries).toEqual([...commands(1, 3, 1), command(4, 2), command(5, 4)]);
    expect(await readAll(second)).toBe('1@1 2@1 3@1 4@2 5@4');
    expect(second.log.sizeBytes).toBe(5 * (ENTRY_OVERHEAD_BYTES + 16));
  });

  test('hands only the newest entries to the core when they do not fit its budget', async () => {
    const platter = new MemoryPlatter();
    const storage = await openPlatter(platter);
    await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: commands(1, 3000, 1, 100) });
    await storage.close();
    const again = await openPlatter(platter, { recoveredBytesMax: 500 });
    expect(brief(again.takeRecovered().entries)).toBe('2999@1 3000@1');
  });

  test('remembers a vote without an entry', async () => {
    const platter = new MemoryPlatter();
    const storage = await openPlatter(platter);
    await storage.log.append({ hardState: { term: 9, votedFor: P2 }, entries: [] });
    await storage.close();
    expect((await openPlatter(platter)).takeRecovered().hardState).toEqual({ term: 9, votedFor: P2 });
  });

  test('replaces a tail', async () => {
    const platter = new MemoryPlatter();
    const storage = await openWith(platter, 5);
    await storage.log.append({
      hardState: { term: 2, votedFor: undefined },
      truncateFrom: 3,
      entries: [command(3, 2)],
    });
    expect(storage.log.lastIndex).toBe(3);
    expect(await readAll(storage)).toBe('1@1 2@1 3@2');
    expect(storage.log.sizeBytes).toBe(3 * (ENTRY_OVERHEAD_BYTES + 16));
    await storage.log.append({ truncateFrom: 2, entries: [] });
    expect(await readAll(storage)).toBe('1@1');
    await storage.log.append({ truncateFrom: 1, entries: commands(1, 4, 2) });
    await storage.close();
    const again = await openPlatter(platter);
    expect(await readAll(again)).toBe('1@2 2@2 3@2 4@2');
    expect(again.takeRecovered().hardState.term).toBe(2);
  });

  test('reads a range, at least one entry and no more than the bytes asked for', async () => {
    const storage = await openWith(new MemoryPlatter(), 6);
    const { log } = storage;
    expect(brief(await log.read(2, 4, 1000))).toBe('2@1 3@1 4@1');
    expect(brief(await log.read(2, 6, 48))).toBe('2@1 3@1 4@1');
    expect(brief(await log.read(2, 6, 47))).toBe('2@1 3@1');
    expect(brief(await log.read(6, 6, 1))).toBe('6@1');
    expect(brief(await log.read(2, 6, 0))).toBe('2@1');
    expect((await log.read(2, 2, 1))[0]).toEqual(command(2, 1));
  });

  test('an empty batch writes nothing', async () => {
    const platter = new MemoryPlatter();
    const storage = await openWith(platter, 2);
    const before = JSON.stringify(platter.rows('log').map(([, value]) => [...value]));
    await storage.log.append({ entries: [] });
    expect(JSON.stringify(platter.rows('log').map(([, value]) => [...value]))).toBe(before);
  });

  test('asserts the order of its calls', async () => {
    const storage = await openWith(new MemoryPlatter(), 3);
    const { log } = storage;
    await expect(log.append({ entries: [command(5, 1)] })).rejects.toThrow('follow what stays');
    await expect(log.append({ entries: [command(3, 1)] })).rejects.toThrow('follow what stays');
    await expect(log.read(1, 4, 100)).rejects.toThrow('only durable entries');
    const underWay = log.append({ entries: [command(4, 1)] });
    expect(() => log.append({ entries: [command(5, 1)] })).toThrow('one append is in flight');
    await underWay;
  });

  test('an entry of a term that was never reached is not written', async () => {
    const storage = await openWith(new MemoryPlatter(), 1);
    await expect(storage.log.append({ entries: [command(2, 5)] })).rejects.toThrow('has not reached');
  });
});

describe('compaction of the log', () => {
  async function checkpointAt(storage: OpenedStorage, index: number, term: number): Promise<void> {
    const digest = { high: 0, low: 0 };
    await storage.state
      .beginCheckpoint()
      .commit({ index, term, logTimeMs: 0, configuration: new Uint8Array(0), digest });
  }

  test('answers at once, and deletes with the appends that follow', async () => {
    const platter = new MemoryPlatter();
    const storage = await openWith(platter, 2000);
    await checkpointAt(storage, 1800, 1);
    await storage.log.compact(1801);
    expect(storage.log).toMatchObject({ firstIndex: 1801, lastIndex: 2000 });
    expect(await storage.log.read(1800, 1801, 10)).toBe('compacted');
    expect(brief(await storage.log.read(1801, 1802, 1000))).toBe('1801@1 1802@1');
    const records = (): number => platter.rows('log').length;
    const counts = [records()];
    for (let index = 2001; index <= 2006; index += 1) {
      await storage.log.append({ entries: [command(index, 1)] });
      counts.push(records());
    }
    const deleted = counts.slice(1).map((count, at) => (counts[at] as number) + 2 - count);
    expect(deleted, 'at most 512 entries with each append').toEqual([512, 512, 512, 264, 0, 0]);
  });

  test('survives a restart before and after its records are gone', async () => {
    const platter = new MemoryPlatter();
    let storage = await openWith(platter, 900);
    await checkpointAt(storage, 700, 1);
    await storage.log.compact(601);
    await storage.log.append({ entries: [command(901, 1)] });
    await storage.close();
    storage = await openPlatter(platter);
    expect(storage.takeRecovered()).toMatchObject({
      firstIndex: 601,
      lastIndex: 901,
      prevTerm: 1,
      termRuns: [{ index: 601, term: 1 }],
    });
    await storage.log.append({ entries: [command(902, 1)] });
    await storage.close();
    storage = await openPlatter(platter);
    expect(storage.log.firstIndex).toBe(601);
    expect(brief(await storage.log.read(601, 602, 1000))).toBe('601@1 602@1');
    const entriesAndGarbage = 302 + 256;
    expect(platter.rows('log').length, 'the rest waits for more').toBeLessThan(entriesAndGarbage);
  });

  test('that no append followed is forgotten by a restart', async () => {
    const platter = new MemoryPlatter();
    const storage = await openWith(platter, 10);
    await checkpointAt(storage, 8, 1);
    await storage.log.compact(5);
    await storage.close();
    expect((await openPlatter(platter)).log.firstIndex).toBe(1);
  });

  test('never goes back, and may take everything', async () => {
    const platter = new MemoryPlatter();
    let storage = await openWith(platter, 10);
    await checkpointAt(storage, 10, 1);
    await storage.log.compact(11);
    await storage.log.compact(3);
    expect(storage.log.firstIndex).toBe(11);
    await storage.log.append({ hardState: { term: 2, votedFor: P2 }, entries: [] });
    await storage.close();
    storage = await openPlatter(platter);
    expect(storage.takeRecovered()).toMatchObject({
      firstIndex: 11,
      lastIndex: 10,
      prevTerm: 1,
      entries: [],
      termRuns: [],
    });
    await storage.log.append({ entries: [command(11, 2)] });
    expect(await readAll(storage)).toBe('11@2');
  });

  test('runs beside an append', async () => {
    const platter = new MemoryPlatter();
    const storage = await openWith(platter, 10);
    await checkpointAt(storage, 8, 1);
    await Promise.all([storage.log.compact(6), storage.log.append({ entries: [command(11, 1)] })]);
    expect(storage.log).toMatchObject({ firstIndex: 6, lastIndex: 11 });
    await storage.log.append({ entries: [command(12, 1)] });
    await storage.close();
    expect(await readAll(await openPlatter(platter))).toBe('6@1 7@1 8@1 9@1 10@1 11@1 12@1');
  });
});

describe('the size of the log', () => {
  test('is known behind every index to within a mark, also after truncation, compaction and restart', async () => {
    const platter = new MemoryPlatter();
    const storage = await openPlatter(platter);
    const sizeBytes = 300_000;
    const each = sizeBytes + ENTRY_OVERHEAD_BYTES;
    await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: commands(1, 30, 1, sizeBytes) });
    const check = (): void => {
      const { log } = storage;
      for (let index = log.firstIndex; index <= log.lastIndex; index += 1) {
        const exact = (log.lastIndex - index + 1) * each;
        const excess = log.bytesFrom(index) - exact;
        expect(excess, `at ${index}`).toBeGreaterThanOrEqual(0);
        expect(excess, `at ${index}`).toBeLessThan(SIZE_MARK_BYTES + each);
      }
      expect(log.bytesFrom(log.lastIndex + 1)).toBe(0);
    };
    check();
    await storage.log.append({ truncateFrom: 22, entries: commands(22, 25, 1, sizeBytes) });
    check();
    const digest = { high: 0, low: 0 };
    await storage.state
      .beginCheckpoint()
      .commit({ index: 12, term: 1, logTimeMs: 0, configuration: new Uint8Array(0), digest });
    await storage.log.compact(10);
    await storage.log.append({ entries: commands(26, 28, 1, sizeBytes) });
    check();
    await storage.log.append({ truncateFrom: 11, entries: [] });
    check();
    await storage.close();
  });
});
