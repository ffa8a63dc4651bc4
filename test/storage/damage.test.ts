import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { compareKeys, entryKey, metaKey, recordKey } from '../../src/storage/keys.ts';
import type { StorageError } from '../../src/storage/storage-error.ts';
import { command, openPlatter, refusal } from './support/directory.ts';
import { flip, insert, lived, NAME, place, remove } from './support/harm.ts';
import { STORIES } from './support/stories.ts';

describe('a directory that is not what was written is refused', () => {
  test.each(STORIES)('%s: %s', async (_story, code, harm) => {
    const platter = await lived();
    await harm(platter);
    const error = await refusal(openPlatter(platter));
    expect([error.code, error.index].filter((part) => part !== undefined).join(' ')).toBe(code);
    expect(platter.locked, 'the lock is let go').toBe(false);
  });

  test('in sentences that say what is wrong and what to do', async () => {
    const lines: string[] = [];
    for (const [story, , harm] of STORIES) {
      const platter = await lived();
      await harm(platter);
      const error: StorageError = await refusal(openPlatter(platter));
      lines.push(`# ${story}`, `${error.code}: ${error.message}`, '');
    }
    await expect(lines.join('\n')).toMatchFileSnapshot('transcripts/damage.txt');
  });

  test('every single record of the log and the state is missed or found damaged', async () => {
    const whole = await lived();
    let tried = 0;
    for (const name of ['log', 'state'] as const) {
      for (const [key] of whole.rows(name)) {
        // A superseded meta record and a state record are not needed to open.
        const superseded = key.length === 10 && compareKeys(key, metaKey(5)) !== 0;
        if (superseded || compareKeys(key, recordKey(NAME)) === 0) continue;
        const platter = await lived();
        flip(platter, name, key);
        const error = await refusal(openPlatter(platter));
        expect(error.code, `${name} ${key.join(' ')}`).toMatch(/_DAMAGED$/);
        tried += 1;
      }
    }
    expect(tried).toBe(11);
  });
});

describe('what one fault cannot hide', () => {
  test('either slot of HEAD may be damaged: the vote is known from the other or from the log', async () => {
    for (const slot of [0, 1] as const) {
      const platter = await lived();
      platter.head?.[slot].fill(9, 30, 40);
      const storage = await openPlatter(platter);
      expect(storage.takeRecovered().hardState).toEqual({ term: 2, votedFor: peerId('p2') });
      expect(storage.notes).toEqual([expect.stringContaining('one slot of HEAD was damaged')]);
      await storage.close();
      const again = await openPlatter(platter);
      expect(again.notes, 'it was written anew').toEqual([]);
      await again.close();
    }
  });

  test('a state database that was removed is made anew while the log begins at its start', async () => {
    const platter = await lived();
    platter.databases.set('state', []);
    const storage = await openPlatter(platter);
    expect(storage.state.checkpoint).toBeUndefined();
    expect(storage.takeRecovered()).toMatchObject({ firstIndex: 1, lastIndex: 5 });
  });

  test('a state database that was removed is missed once the log was compacted', async () => {
    const platter = await lived();
    let storage = await openPlatter(platter);
    await storage.log.compact(3);
    await storage.log.append({ entries: [command(6, 2)] });
    await storage.close();
    platter.databases.set('state', []);
    const error = await refusal(openPlatter(platter));
    expect(error.code).toBe('STATE_DAMAGED');
    expect(error.message).toContain('the state database is empty, and the Raft log begins only at entry 3');
    storage = await openPlatter(await lived());
    await storage.close();
  });

  test('a rotten entry is found when it is read, not only at open', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    flip(platter, 'log', entryKey(4));
    const error = await refusal(storage.log.read(2, 5, 1000));
    expect([error.code, error.index]).toEqual(['LOG_DAMAGED', 4]);
    remove(platter, 'log', entryKey(4));
    expect((await refusal(storage.log.read(2, 5, 1000))).message).toContain('entry 4 is missing');
    expect((await refusal(storage.log.read(4, 4, 1000))).message).toContain('entry 4 is missing');
  });

  test('a truncation stops at a damaged entry before it', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    flip(platter, 'log', entryKey(4));
    const error = await refusal(storage.log.append({ truncateFrom: 5, entries: [] }));
    expect([error.code, error.index]).toEqual(['LOG_DAMAGED', 4]);
  });

  test('a rotten state record is found when it is read', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    flip(platter, 'state', recordKey(NAME));
    expect((await refusal(storage.state.get(NAME))).code).toBe('STATE_DAMAGED');
    expect((await refusal(storage.state.getMany([NAME]))).code).toBe('STATE_DAMAGED');
    expect((await refusal(storage.state.range({ limit: 10 }))).code).toBe('STATE_DAMAGED');
  });

  test('entries that are there although the log ends before them are found', async () => {
    const platter = await lived();
    const other = await openPlatter(platter);
    await other.close();
    const stale = platter.rows('log')[place(platter, 'log', entryKey(5))] as [Uint8Array, Uint8Array];
    const storage = await openPlatter(platter);
    await storage.log.append({ truncateFrom: 3, entries: [] });
    await storage.close();
    const meta = platter.rows('log')[place(platter, 'log', metaKey(2))] as [Uint8Array, Uint8Array];
    insert(platter, stale);
    expect((await refusal(openPlatter(platter))).code).toBe('META_DAMAGED');
    remove(platter, 'log', stale[0]);
    insert(platter, [metaKey(5), meta[1]]);
    expect((await refusal(openPlatter(platter))).code).toBe('META_DAMAGED');
  });
});
