import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BATCHES_KEPT } from '../../src/storage/checkpoint-record.ts';
import { batchKey, compareKeys, keyAfter } from '../../src/storage/keys.ts';
import { MemoryPlatter } from '../../src/storage/memory-disk.ts';
import type { Checkpoint, OpenedStorage, StateRecord } from '../../src/storage/storage.ts';
import { commands, openPlatter, refusal } from './support/directory.ts';

function checkpoint(index: number): Checkpoint {
  const configuration = Uint8Array.of(1, 2, index);
  return { index, term: 1, logTimeMs: index * 1000, configuration, digest: { high: index, low: 4_000_000_000 } };
}

async function opened(platter = new MemoryPlatter()): Promise<OpenedStorage> {
  const storage = await openPlatter(platter);
  if (storage.log.lastIndex === 0) {
    await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: commands(1, 50, 1) });
  }
  return storage;
}

async function all(storage: OpenedStorage, pageSize = 1000): Promise<StateRecord[]> {
  const records: StateRecord[] = [];
  let gte: Uint8Array | undefined;
  for (;;) {
    const page = await storage.state.range({ ...(gte === undefined ? {} : { gte }), limit: pageSize, maxBytes: 200 });
    records.push(...page);
    const last = page.at(-1);
    if (last === undefined) return records;
    gte = keyAfter(last.key);
  }
}

describe('checkpoints', () => {
  test('there is none at first', async () => {
    const storage = await opened();
    expect(storage.state.checkpoint).toBeUndefined();
    expect(await all(storage)).toEqual([]);
  });

  test('come back after a restart with all that they say', async () => {
    const platter = new MemoryPlatter();
    const storage = await opened(platter);
    const writer = storage.state.beginCheckpoint();
    writer.put(Uint8Array.of(7), Uint8Array.of(1, 2, 3));
    writer.put(Uint8Array.of(8), new Uint8Array(0));
    expect(writer.sizeBytes).toBeGreaterThan(5);
    await writer.commit(checkpoint(5));
    await storage.close();
    const again = await opened(platter);
    expect(again.state.checkpoint).toEqual(checkpoint(5));
    expect(await again.state.get(Uint8Array.of(7))).toEqual(Uint8Array.of(1, 2, 3));
    expect(await again.state.getMany([Uint8Array.of(8), Uint8Array.of(9)])).toEqual([new Uint8Array(0), undefined]);
  });

  test('are nothing before they are committed, and nothing when they are discarded', async () => {
    const storage = await opened();
    const writer = storage.state.beginCheckpoint();
    writer.put(Uint8Array.of(7), Uint8Array.of(1));
    expect(await all(storage)).toEqual([]);
    writer.discard();
    await storage.state.beginCheckpoint().commit(checkpoint(1));
    expect(await all(storage)).toEqual([]);
    expect(() => writer.put(Uint8Array.of(7), Uint8Array.of(1))).toThrow('after its end');
  });

  test('never go back, are committed one at a time and once', async () => {
    const storage = await opened();
    const writer = storage.state.beginCheckpoint();
    const second = storage.state.beginCheckpoint();
    const commit = writer.commit(checkpoint(5));
    expect(() => second.commit(checkpoint(6))).toThrow('one checkpoint is in flight');
    await commit;
    expect(() => writer.commit(checkpoint(7))).toThrow('once');
    expect(() => storage.state.beginCheckpoint().commit(checkpoint(4))).toThrow('never go back');
  });

  test('hold the records that a plain map would hold', async () => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 });
    const step = fc.record({ key, value: fc.option(fc.uint8Array({ maxLength: 60 })) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 5 }), async (batches) => {
        const platter = new MemoryPlatter();
        let storage = await opened(platter);
        const model = new Map<string, StateRecord>();
        for (const [at, batch] of batches.entries()) {
          const writer = storage.state.beginCheckpoint();
          for (const { key: name, value } of batch) {
            if (value === null) {
              writer.del(name);
              model.delete(name.join());
            } else {
              writer.put(name, value);
              model.set(name.join(), { key: name, value });
            }
          }
          await writer.commit(checkpoint(at + 1));
        }
        await storage.close();
        storage = await opened(platter);
        const expected = [...model.values()].sort((left, right) => compareKeys(left.key, right.key));
        expect(await all(storage, 3)).toEqual(expected);
        const backwards = await storage.state.range({ reverse: true, limit: 1000, maxBytes: 1e9 });
        expect(backwards).toEqual(expected.toReversed());
        const middle = await storage.state.range({
          gte: Uint8Array.of(1),
          lt: Uint8Array.of(2, 1),
          limit: 1000,
          maxBytes: 1e9,
        });
        const within = (record: StateRecord): boolean =>
          compareKeys(record.key, Uint8Array.of(1)) >= 0 && compareKeys(record.key, Uint8Array.of(2, 1)) < 0;
        expect(middle).toEqual(expected.filter((record) => within(record)));
      }),
      { numRuns: 60 },
    );
  });

  test('refuse keys that are empty or too long', async () => {
    const writer = (await opened()).state.beginCheckpoint();
    expect(() => writer.put(new Uint8Array(0), Uint8Array.of(1))).toThrow('1 to 1024 bytes');
    expect(() => writer.del(new Uint8Array(1025))).toThrow('1 to 1024 bytes');
  });
});

describe('a state database that lost a batch from its middle', () => {
  /** Ten checkpoints, of which each overwrites the one record of the one before. */
  async function lived(count: number): Promise<MemoryPlatter> {
    const platter = new MemoryPlatter();
    const storage = await opened(platter);
    for (let round = 1; round <= count; round += 1) {
      const writer = storage.state.beginCheckpoint();
      writer.put(Uint8Array.of(7), Uint8Array.of(round & 0xff));
      await writer.commit(checkpoint(Math.min(round, 50)));
    }
    await storage.close();
    return platter;
  }

  test('is found at open, whichever it was, although every record that is there is right', async () => {
    for (let lost = 1; lost <= 10; lost += 1) {
      const platter = await lived(10);
      const rows = platter.rows('state').filter(([key]) => compareKeys(key, batchKey(lost)) !== 0);
      platter.databases.set('state', rows);
      const error = await refusal(openPlatter(platter));
      expect([error.code, error.message]).toEqual([
        'STATE_DAMAGED',
        expect.stringContaining(`batch ${lost} of 10 is missing in the state database`),
      ]);
    }
  });

  test('is looked for among the last batches only, which are all that LevelDB still has in its log', async () => {
    const platter = await lived(BATCHES_KEPT + 10);
    const batches = platter.rows('state').filter(([key]) => key[0] === 0x62);
    expect(batches).toHaveLength(BATCHES_KEPT);
    const storage = await openPlatter(platter);
    await storage.state.beginCheckpoint().commit(checkpoint(50));
    await storage.close();
    expect(platter.rows('state').filter(([key]) => key[0] === 0x62)).toHaveLength(BATCHES_KEPT);
    await (await openPlatter(platter)).close();
  });
});
