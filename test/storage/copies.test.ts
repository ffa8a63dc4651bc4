import { describe, expect, test } from 'vitest';
import { BOOTS_KEY, entryKey } from '../../src/storage/keys.ts';
import { RECORD_KIND } from '../../src/storage/record.ts';
import { HEARD_BOOTS_MAX } from '../../src/storage/storage.ts';
import { openPlatter, refusal } from './support/directory.ts';
import { copyOf, flip, laterFormat, lived, replace } from './support/harm.ts';

const REPAIRABLE = { repairable: true };
const ONE = 'ab'.repeat(16);
const OTHER = 'cd'.repeat(16);

describe('whether others have a copy of what a directory holds', () => {
  test('is not known to a directory until it is told', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    expect(storage.shared).toBeUndefined();
    await storage.saveShared(true);
    expect(storage.shared).toBe(true);
    await storage.saveShared(false);
    await storage.close();
    expect((await openPlatter(platter)).shared).toBe(false);
  });

  test('is what it was told, whatever the configuration of the peer makes of it', async () => {
    for (const shared of [true, false]) {
      const platter = await lived();
      const storage = await openPlatter(platter);
      await storage.saveShared(shared);
      await storage.close();
      flip(platter, 'log', entryKey(4));
      const opening = openPlatter(copyOf(platter), { repairable: !shared });
      if (shared) expect((await opening).damage).toMatchObject({ from: 4, lastIndex: 5 });
      else expect((await refusal(opening)).code).toBe('LOG_DAMAGED');
    }
  });

  test('outlives the damage that it decides about', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    await storage.saveShared(true);
    await storage.close();
    platter.databases.set('log', []);
    const repaired = await openPlatter(platter);
    expect(repaired.shared).toBe(true);
    await repaired.close();
  });
});

describe('what was heard of the directories of others', () => {
  test('is there again at the next start', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    expect(storage.heardBoots).toEqual([]);
    const boots = [
      { incarnation: ONE, boot: 7, mark: 70 },
      { incarnation: OTHER, boot: 2, mark: 0 },
    ];
    await storage.saveHeardBoots(boots);
    await storage.close();
    expect((await openPlatter(platter)).heardBoots).toEqual(boots);
  });

  test('has a bound', async () => {
    const storage = await openPlatter(await lived());
    const boots = Array.from({ length: HEARD_BOOTS_MAX + 1 }, () => ({ incarnation: ONE, boot: 1, mark: 1 }));
    await expect(storage.saveHeardBoots(boots)).rejects.toThrow('few directories are remembered');
  });

  test('is given up where it rotted, and said; a later version is respected', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    await storage.saveHeardBoots([{ incarnation: ONE, boot: 7, mark: 70 }]);
    await storage.close();
    const later = copyOf(platter);
    flip(platter, 'log', BOOTS_KEY);
    const again = await openPlatter(platter, REPAIRABLE);
    expect(again.heardBoots).toEqual([]);
    expect(again.notes.join()).toContain('what was heard of other directories is damaged');
    replace(later, 'log', BOOTS_KEY, laterFormat(RECORD_KIND.boots, BOOTS_KEY));
    expect((await refusal(openPlatter(later, REPAIRABLE))).code).toBe('FORMAT_UNKNOWN');
  });
});
