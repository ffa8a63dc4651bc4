import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { MemoryPlatter } from '../../src/storage/memory-disk.ts';
import type { LogPosition, OpenedStorage } from '../../src/storage/storage.ts';
import { CRASH_OUTCOMES, CrashDisk } from './support/crash-disk.ts';
import { command, commands, openOn, openPlatter, readAll, refusal } from './support/directory.ts';
import { copyOf } from './support/harm.ts';
import { checkpoint, follower, positionAfter, receive, recordsAt, stateOf } from './support/snapshots.ts';

const REPAIRABLE = { repairable: true };

async function install(storage: OpenedStorage, index: number, term: number, base?: LogPosition): Promise<void> {
  const staging = await storage.beginSnapshot();
  await receive(staging, index, term, base);
  await staging.install();
}

describe('a state from another peer', () => {
  test('takes the place of the old one, and the log begins behind it', async () => {
    const platter = await follower(6);
    const storage = await openPlatter(platter);
    await install(storage, 50, 2);
    await storage.close();
    expect([...platter.databases.keys()].sort(), 'the old state is gone').toEqual(['log', 'state-2']);

    const again = await openPlatter(platter);
    expect(await stateOf(again)).toBe('50: 1=1.50 2=2.50 3=3.50 4=4.50 5=5.50');
    expect(again.takeRecovered()).toMatchObject({
      hardState: { term: 2, votedFor: undefined },
      firstIndex: 51,
      lastIndex: 50,
      prevTerm: 2,
      termRuns: [],
    });
    await again.log.append({ hardState: { term: 3, votedFor: undefined }, entries: commands(51, 60, 3) });
    await again.close();
    expect((await readAll(await openPlatter(platter))).split(' ')).toHaveLength(10);
  });

  test('leaves the log alone when that has the entry it ends with', async () => {
    const platter = await follower(9);
    const storage = await openPlatter(platter);
    const base = await storage.log.positionAt(7);
    await install(storage, 7, 1, base);
    await storage.close();
    const again = await openPlatter(platter);
    expect(await stateOf(again)).toMatch(/^7: /);
    expect(await readAll(again)).toBe('1@1 2@1 3@1 4@1 5@1 6@1 7@1 8@1 9@1');
    expect(again.takeRecovered().hardState).toEqual({ term: 1, votedFor: peerId('p2') });
    await again.close();
  });

  test('does away with entries that contradict it', async () => {
    const platter = await follower(9);
    const storage = await openPlatter(platter);
    await storage.log.append({ hardState: { term: 5, votedFor: peerId('p3') }, entries: [] });
    await install(storage, 8, 2);
    await storage.close();
    const again = await openPlatter(platter);
    expect(again.takeRecovered()).toMatchObject({
      hardState: { term: 5, votedFor: peerId('p3') },
      firstIndex: 9,
      lastIndex: 8,
      prevTerm: 2,
    });
    await again.close();
  });

  test('serves a peer that has nothing at all', async () => {
    const platter = new MemoryPlatter();
    const storage = await openPlatter(platter);
    await install(storage, 20, 3);
    await storage.close();
    const again = await openPlatter(platter);
    expect(again.log).toMatchObject({ firstIndex: 21, lastIndex: 20 });
    expect(await stateOf(again)).toMatch(/^20: /);
    await again.close();
  });

  test('comes in place of one that was lost, to a log that no longer begins at its start', async () => {
    const platter = await follower(9);
    let storage = await openPlatter(platter);
    await storage.log.compact(4);
    await storage.log.append({ entries: [command(10, 1)] });
    await storage.close();
    platter.databases.delete('state');
    storage = await openPlatter(platter, REPAIRABLE);
    expect(storage.stateMissing).toBe(true);
    await install(storage, 6, 1, await storage.log.positionAt(6));
    await storage.close();
    storage = await openPlatter(platter, REPAIRABLE);
    expect(storage.stateMissing).toBe(false);
    expect(await readAll(storage)).toBe('4@1 5@1 6@1 7@1 8@1 9@1 10@1');
    await storage.close();
  });

  test('keeps the recorded damage, which only the host may end', async () => {
    const platter = await follower(9);
    platter.databases.set(
      'log',
      platter.rows('log').filter(([key]) => (key[8] as number) !== 9),
    );
    const storage = await openPlatter(platter, REPAIRABLE);
    await install(storage, 50, 2);
    await storage.close();
    const again = await openPlatter(platter, REPAIRABLE);
    expect(again.damage).toEqual({ from: 51, lastIndex: 9, lastTerm: 1 });
    await again.close();
  });

  test('is installed again and again, each in a generation of its own', async () => {
    const platter = await follower(6);
    for (const [at, index] of [50, 70, 90].entries()) {
      const storage = await openPlatter(platter);
      await install(storage, index, 2);
      await storage.close();
      expect([...platter.databases.keys()].sort()).toEqual(['log', `state-${at + 2}`]);
    }
    expect(await stateOf(await openPlatter(platter))).toMatch(/^90: /);
  });

  test('is nothing before it is installed, and nothing when it is discarded or the peer stops', async () => {
    const platter = await follower(6);
    const storage = await openPlatter(platter);
    const discarded = await storage.beginSnapshot();
    await receive(discarded, 50, 2);
    expect(discarded.sizeBytes).toBeGreaterThan(10);
    await discarded.discard();
    await discarded.discard();
    expect([...platter.databases.keys()].sort()).toEqual(['log', 'state']);
    const unfinished = await storage.beginSnapshot();
    await unfinished.add(recordsAt(50));
    await storage.log.append({ entries: [command(7, 1)] });
    await storage.close();
    expect([...platter.databases.keys()].sort(), 'as a crash would leave it').toEqual(['log', 'state', 'state-3']);
    const again = await openPlatter(platter);
    expect([...platter.databases.keys()].sort()).toEqual(['log', 'state']);
    expect(await stateOf(again)).toMatch(/^4: /);
    expect(again.log.lastIndex).toBe(7);
    await again.close();
  });

  test('is begun anew at once, when the one before is still being discarded, or begun', async () => {
    const platter = await follower(6);
    const storage = await openPlatter(platter);
    const first = await storage.beginSnapshot();
    await first.add(recordsAt(30));
    const discarded = first.discard();
    const [second, third] = await Promise.all([storage.beginSnapshot(), storage.beginSnapshot()]);
    await discarded;
    await second.discard();
    await receive(third, 50, 2);
    await third.install();
    await storage.close();
    expect([...platter.databases.keys()].filter((name) => name !== 'log')).toHaveLength(1);
    expect(await stateOf(await openPlatter(platter))).toMatch(/^50: /);
  });

  test('is refused when the log went past it meanwhile', async () => {
    const storage = await openPlatter(await follower(9));
    const late = await storage.beginSnapshot();
    await late.add(recordsAt(3));
    const finished = await storage.beginSnapshot();
    await receive(finished, 3, 1);
    await storage.log.compact(5);
    const base = { index: 3, term: 1, chain: { high: 0, low: 0 } };
    expect((await refusal(late.finish(checkpoint(3, 1), base))).message).toContain(
      'a snapshot ends with entry 3, and the Raft log begins only at entry 5',
    );
    expect((await refusal(finished.install())).code).toBe('STATE_DAMAGED');
    await late.discard();
    await finished.discard();
    await storage.log.append({ entries: [command(10, 1)] });
    await storage.close();
  });

  test('is refused when it cannot be read back as it was added', async () => {
    const platter = await follower(6);
    const storage = await openPlatter(platter);
    const staging = await storage.beginSnapshot();
    await staging.add(recordsAt(50));
    const rows = platter.rows('state-2');
    const value = rows[2]?.[1] as Uint8Array;
    value[value.length - 1] = 0xff;
    const rotten = await refusal(staging.finish(checkpoint(50, 2), await positionAfter(50, 2)));
    expect(rotten.code).toBe('STATE_DAMAGED');
    await staging.discard();
    const short = await storage.beginSnapshot();
    await short.add(recordsAt(50));
    platter.rows('state-3').pop();
    const lost = await refusal(short.finish(checkpoint(50, 2), await positionAfter(50, 2)));
    expect(lost.message).toContain('of 5 records of a snapshot 4 can be read back');
    await short.discard();
    expect(storage.failure, 'the storage goes on').toBeUndefined();
    await storage.log.append({ entries: [command(7, 1)] });
    await storage.close();
  });

  test('ends the use of the storage when it is installed', async () => {
    const storage = await openPlatter(await follower(6));
    const append = storage.log.append({ entries: [command(7, 1)] });
    await install(storage, 50, 2);
    await append;
    const error = await refusal(storage.log.append({ entries: [command(8, 1)] }));
    expect(error.message).toBe('a snapshot was installed in peers/p1, which is to be opened anew');
    expect((await refusal(storage.state.get(Uint8Array.of(1)))).message).toContain('opened anew');
    expect(storage.failure).toBeUndefined();
    await storage.close();
  });

  test('asserts the order of its calls', async () => {
    const storage = await openPlatter(await follower(6));
    const staging = await storage.beginSnapshot();
    await expect(staging.install()).rejects.toThrow('finished before it is installed');
    expect(() => staging.finish(checkpoint(3, 1), { index: 2, term: 1, chain: { high: 0, low: 0 } })).toThrow(
      'a state ends where its log goes on',
    );
    const first = staging.add(recordsAt(1));
    expect(() => staging.add([])).toThrow('one call on a staging');
    await first;
    await expect(staging.add(recordsAt(1))).rejects.toThrow('in the order of their keys');
    await storage.close();
  });
});

describe('the log after a snapshot', () => {
  test('lets go of what lies far before it without searching the way between', async () => {
    const platter = await follower(1000);
    const storage = await openPlatter(platter);
    await install(storage, 1_000_000, 2, { index: 1_000_000, term: 2, chain: { high: 7, low: 8 } });
    await storage.close();
    let again = await openPlatter(platter);
    let next = 1_000_001;
    const append = async (count: number): Promise<void> => {
      await again.log.append({ entries: commands(next, next + count - 1, 2) });
      next += count;
    };
    await append(1);
    await again.close();
    again = await openPlatter(platter);
    for (let round = 0; round < 6; round += 1) await append(1);
    expect(platter.rows('log').length, 'all of the old log is gone').toBeLessThan(20);
    await append(1000);
    const writer = again.state.beginCheckpoint();
    await writer.commit(checkpoint(next - 1, 2));
    await again.log.compact(next - 100);
    for (let round = 0; round < 6; round += 1) await append(1);
    expect(platter.rows('log').length, 'and so is what was compacted since').toBeLessThan(250);
    await again.close();
    expect((await openPlatter(platter)).log.lastIndex).toBe(next - 1);
  });

  test('tells every change of the configuration that it holds', async () => {
    const platter = await follower(6);
    let storage = await openPlatter(platter);
    const configurations = [7, 9].map((index) => ({
      index,
      term: 1,
      kind: EntryKind.configuration,
      data: Uint8Array.of(index, 1),
    }));
    const [seven, nine] = configurations as [(typeof configurations)[0], (typeof configurations)[0]];
    await storage.log.append({ entries: [seven, command(8, 1), nine] });
    await storage.close();
    storage = await openPlatter(platter);
    expect(storage.takeRecovered().configurations).toEqual(configurations.map(({ index, data }) => ({ index, data })));
    await storage.log.append({ truncateFrom: 9, entries: [] });
    await storage.close();
    storage = await openPlatter(platter, { recoveredBytesMax: 0 });
    expect(storage.takeRecovered().configurations).toEqual([{ index: 7, data: Uint8Array.of(7, 1) }]);
    await storage.close();
  });
});

describe('a power cut in the middle of a snapshot', () => {
  const cases = CRASH_OUTCOMES.flatMap((outcome) => [
    { ...outcome, name: 'beyond the log', last: 6, index: 50, term: 2 },
    { ...outcome, name: 'against the log', last: 9, index: 8, term: 2 },
    { ...outcome, name: 'within the log', last: 9, index: 7, term: 1 },
    { ...outcome, name: 'of an empty peer', last: 0, index: 12, term: 2 },
  ]);
  test.each(cases)(
    'leaves the old state or the new, at any step ($name, batch $batch, slot $slot)',
    async ({ batch, slot, last, index, term }) => {
      const before = last === 0 ? new MemoryPlatter() : await follower(last);
      const base = await positionAfter(index, term);
      const oldState = last === 0 ? '0: ' : '4: 1=1.4 2=2.4 3=3.4 4=4.4 5=5.4';
      let seenOld = 0;
      let seenNew = 0;
      for (let crashAt = 1; ; crashAt += 1) {
        const disk = new CrashDisk(crashAt, { batch, slot }, copyOf(before));
        try {
          const storage = await openOn(disk);
          await install(storage, index, term, base);
          await storage.close();
        } catch (error) {
          if (!disk.off) throw error;
        }
        if (!disk.off) break;
        const after = disk.platterAfter();
        const storage = await openPlatter(after);
        const found = await stateOf(storage);
        if (found === oldState) {
          seenOld += 1;
          expect(storage.log).toMatchObject({ firstIndex: 1, lastIndex: last });
        } else {
          seenNew += 1;
          expect(found).toMatch(new RegExp(`^${index}: 1=1\\.${index} `));
          expect(storage.log.lastIndex).toBe(term === 1 ? last : index);
        }
        expect(after.databases.size, 'nothing is left of the other').toBe(2);
        const next = storage.log.lastIndex + 1;
        await storage.log.append({ hardState: { term: 9, votedFor: undefined }, entries: [command(next, 9)] });
        await storage.close();
        expect((await openPlatter(after)).log.lastIndex).toBe(next);
      }
      expect(seenOld).toBeGreaterThan(3);
      expect(seenNew).toBeGreaterThan(0);
    },
  );
});
