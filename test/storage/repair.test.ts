import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import type { DatabaseName } from '../../src/storage/disk.ts';
import { compareKeys, entryKey, metaKey, recordKey } from '../../src/storage/keys.ts';
import { MemoryDisk, type MemoryPlatter } from '../../src/storage/memory-disk.ts';
import type { OpenedStorage } from '../../src/storage/storage.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { CRASH_OUTCOMES, CrashDisk, type CrashOutcome } from './support/crash-disk.ts';
import { brief, command, openOn, openPlatter, readAll, refusal } from './support/directory.ts';
import { checkpointAt, copyOf, flip, lived, NAME, remove } from './support/harm.ts';
import { STORIES } from './support/stories.ts';

const REPAIRABLE = { repairable: true };
/** What `lived` acknowledged. */
const VOTE = { term: 2, votedFor: peerId('p2') };
const LOG = [command(1, 1), command(2, 1), command(3, 1), command(4, 1), command(5, 2)];

/** The stories in which HEAD itself is lost or old, so that nobody can know what this peer had promised. */
const HEAD_STORIES = STORIES.filter(([story]) => story.includes('HEAD'));
const OTHER_STORIES = STORIES.filter(([, code]) => !code.startsWith('FORMAT_UNKNOWN')).filter(
  (story) => !HEAD_STORIES.includes(story),
);

/** What a storage says about itself, in a few words. */
async function outcome(storage: OpenedStorage): Promise<string> {
  const { damage, stateMissing, state, log } = storage;
  const parts = [
    `log ${log.firstIndex}..${log.lastIndex} [${await readAll(storage)}]`,
    state.checkpoint === undefined ? 'no state' : `state at ${state.checkpoint.index}`,
  ];
  if (stateMissing) parts.push('which must come from another peer');
  if (damage !== undefined) parts.push(`votes by ${damage.lastIndex}@${damage.lastTerm}, refilled from ${damage.from}`);
  return parts.join(', ');
}

/** However it was damaged, this is what must hold of a directory that opens. Returns its outcome. */
async function expectSafe(storage: OpenedStorage): Promise<string> {
  const { log, state, damage, stateMissing } = storage;
  expect(storage.takeRecovered().hardState, 'the vote is known').toEqual(VOTE);
  const entries = log.lastIndex < log.firstIndex ? [] : await log.read(log.firstIndex, log.lastIndex, 1e9);
  expect(entries, 'no entry is another one').toEqual(LOG.slice(log.firstIndex - 1, log.lastIndex));
  if (log.lastIndex < 5) {
    expect(damage, 'what was acknowledged and is gone is remembered').toMatchObject({ lastIndex: 5, lastTerm: 2 });
  }
  if (damage !== undefined) expect(damage.from).toBe(log.lastIndex + 1);
  const stateIndex = state.checkpoint?.index ?? 0;
  expect(stateIndex).toBeLessThanOrEqual(log.lastIndex);
  expect(stateMissing, 'replay has a place to begin').toBe(stateIndex < log.firstIndex - 1);
  if (stateIndex > 0) expect(await state.get(NAME)).toEqual(Uint8Array.of(42));
  return outcome(storage);
}

/** The leader sends what is missing, and the peer is whole again. */
async function refill(storage: OpenedStorage): Promise<void> {
  const { log } = storage;
  const missing = LOG.slice(log.lastIndex);
  await log.append({ hardState: { term: 3, votedFor: undefined }, entries: [...missing, command(6, 3)] });
  await storage.healed();
  expect(storage.damage).toBeUndefined();
}

describe('a directory that is damaged, where others have what is missing', () => {
  test.each(OTHER_STORIES)('opens although %s (%s)', async (story, _code, harm) => {
    const platter = await lived();
    await harm(platter);
    const storage = await openPlatter(platter, REPAIRABLE);
    expect(storage.notes.length, 'it says what it found').toBeGreaterThan(0);
    if (story.includes('earlier day')) {
      expect(storage.damage, 'the state tells more than the log and HEAD').toMatchObject({ lastIndex: 3, lastTerm: 1 });
      return storage.close();
    }
    const first = await expectSafe(storage);
    await storage.close();

    const again = await openPlatter(platter, REPAIRABLE);
    expect(again.notes, 'it is repaired once').toEqual([]);
    expect(await expectSafe(again), 'and stays as it is').toBe(first);
    await refill(again);
    await again.close();

    const whole = await openPlatter(platter);
    expect(whole.damage).toBeUndefined();
    expect((await readAll(whole)).endsWith('6@3')).toBe(true);
    await whole.close();
  });

  test('says what it found and what it did', async () => {
    const lines: string[] = [];
    for (const [story, , harm] of STORIES) {
      const platter = await lived();
      await harm(platter);
      lines.push(`# ${story}`);
      try {
        const storage = await openPlatter(platter, REPAIRABLE);
        lines.push(...storage.notes, `=> ${await outcome(storage)}`, '');
        await storage.close();
      } catch (error) {
        lines.push(error instanceof StorageError ? `=> ${error.code}: ${error.message}` : String(error), '');
      }
    }
    await expect(lines.join('\n')).toMatchFileSnapshot('transcripts/repair.txt');
  });

  test.each(HEAD_STORIES.filter(([, code]) => code === 'HEAD_DAMAGED'))(
    'stays closed when %s',
    async (_s, _c, harm) => {
      const platter = await lived();
      await harm(platter);
      const error = await refusal(openPlatter(platter, REPAIRABLE));
      expect(error.code).toBe('HEAD_DAMAGED');
      expect(error.message).toContain('`taskraft cluster replace PEER`');
    },
  );

  test('stays closed, and as it is, when a later version wrote it or when it is another’s', async () => {
    const [, , harm] = STORIES.find(([, code]) => code.startsWith('FORMAT_UNKNOWN')) ?? [];
    const platter = await lived();
    await harm?.(platter);
    flip(platter, 'log', entryKey(4));
    const before = JSON.stringify([...platter.databases]);
    expect((await refusal(openPlatter(platter, REPAIRABLE))).code).toBe('FORMAT_UNKNOWN');
    const stranger = { ...REPAIRABLE, peerId: peerId('p9') };
    expect((await refusal(openPlatter(platter, stranger))).code).toBe('WRONG_PEER');
    expect(JSON.stringify([...platter.databases])).toBe(before);
  });
});

/** The keys of all records that mean something. */
function records(platter: MemoryPlatter): [DatabaseName, Uint8Array][] {
  return [...platter.databases].flatMap(([name, rows]) => rows.map(([key]): [DatabaseName, Uint8Array] => [name, key]));
}

describe('repair', () => {
  test('forgets nothing, whichever single record rots or is lost', async () => {
    const whole = await lived();
    for (const [name, key] of records(whole)) {
      if (compareKeys(key, recordKey(NAME)) === 0) continue;
      for (const harm of [flip, remove]) {
        const platter = copyOf(whole);
        harm(platter, name, key);
        const storage = await openPlatter(platter, REPAIRABLE);
        await expectSafe(storage);
        await storage.close();
      }
    }
  });

  test('forgets nothing, whatever rots and is lost together', async () => {
    const whole = await lived();
    const all = records(whole);
    const harms = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: all.length - 1 }), fc.boolean()), {
      minLength: 1,
      maxLength: 6,
      selector: ([at]) => at,
    });
    await fc.assert(
      fc.asyncProperty(harms, async (chosen) => {
        const platter = copyOf(whole);
        for (const [at, rots] of chosen) {
          const [name, key] = all[at] as [DatabaseName, Uint8Array];
          if (compareKeys(key, recordKey(NAME)) !== 0) (rots ? flip : remove)(platter, name, key);
        }
        const storage = await openPlatter(platter, REPAIRABLE);
        const first = await expectSafe(storage);
        await storage.close();
        const again = await openPlatter(platter, REPAIRABLE);
        expect(await expectSafe(again)).toBe(first);
        await again.close();
      }),
      { numRuns: 120 },
    );
  });

  test('keeps the furthest that was ever acknowledged, over damage upon damage', async () => {
    const platter = await lived();
    flip(platter, 'log', entryKey(4));
    await (await openPlatter(platter, REPAIRABLE)).close();
    const storage = await openPlatter(platter, REPAIRABLE);
    await storage.log.append({ entries: [command(4, 1)] });
    await storage.close();
    flip(platter, 'log', entryKey(4));
    const again = await openPlatter(platter, REPAIRABLE);
    expect(again.damage).toEqual({ from: 4, lastIndex: 5, lastTerm: 2 });
    await again.close();
  });

  test('misses nothing where the checkpoint has what rotted', async () => {
    const platter = await lived();
    flip(platter, 'log', entryKey(2));
    const storage = await openPlatter(platter, REPAIRABLE);
    expect(storage.damage).toBeUndefined();
    expect(await outcome(storage)).toBe('log 4..5 [4@1 5@2], state at 3');
    expect(brief(await storage.log.read(4, 5, 100))).toBe('4@1 5@2');
    await storage.log.append({ entries: [command(6, 2)] });
    await storage.close();
    expect(await readAll(await openPlatter(platter))).toBe('4@1 5@2 6@2');
  });

  test('asks for a state when neither the state nor the beginning of the log is there', async () => {
    const platter = await lived();
    let storage = await openPlatter(platter);
    await storage.log.compact(3);
    await storage.log.append({ entries: [command(6, 2)] });
    await storage.close();
    platter.databases.delete('state');
    storage = await openPlatter(platter, REPAIRABLE);
    expect(await outcome(storage)).toBe('log 3..6 [3@1 4@1 5@2 6@2], no state, which must come from another peer');
    expect(storage.damage, 'the log is whole').toBeUndefined();
    await storage.close();
  });

  test('goes on with a record in the log whose key rotted', async () => {
    const platter = await lived();
    const row = platter.rows('log').find(([key]) => compareKeys(key, metaKey(4)) === 0) as [Uint8Array, Uint8Array];
    row[0] = Uint8Array.of(...row[0].subarray(0, 9), 0xff);
    const storage = await openPlatter(platter, REPAIRABLE);
    await expectSafe(storage);
    await storage.close();
  });
});

/** A disk that knows what of HEAD survives when the power goes: what was synced. */
class SyncedDisk extends MemoryDisk {
  readonly #platter: MemoryPlatter;
  synced: MemoryPlatter['head'];

  constructor(platter: MemoryPlatter) {
    super(platter, 'peers/p1');
    this.#platter = platter;
  }

  override async syncHead(): Promise<void> {
    await super.syncHead();
    this.synced = this.#platter.head?.map((slot) => slot.slice()) as unknown as MemoryPlatter['head'];
  }
}

describe('an entry that does not read, with what told of it', () => {
  /** Appends after a vote in term 9, cuts the power, and lets the last entry rot with the record of the batch that it ended. */
  async function rotten(terms: readonly number[], powerLost: boolean): Promise<OpenedStorage> {
    const platter = await lived();
    const disk = new SyncedDisk(platter);
    const storage = await openOn(disk);
    await storage.log.append({ hardState: { term: 9, votedFor: peerId('p3') }, entries: [] });
    for (const term of terms) await storage.log.append({ entries: [command(storage.log.lastIndex + 1, term)] });
    const { lastIndex } = storage.log;
    const { synced } = disk;
    await storage.close();
    if (powerLost) platter.head = synced;
    flip(platter, 'log', entryKey(lastIndex));
    flip(platter, 'log', metaKey(lastIndex));
    return openPlatter(platter, REPAIRABLE);
  }

  test('counts with the term that HEAD has for it, not with one in which the peer only voted', async () => {
    expect((await rotten([], false)).damage).toEqual({ from: 5, lastIndex: 5, lastTerm: 2 });
    expect((await rotten([2, 2], false)).damage).toEqual({ from: 7, lastIndex: 7, lastTerm: 2 });
  });

  test('counts with its term too where the power went with the newest of HEAD', async () => {
    expect((await rotten([2, 2], true)).damage).toEqual({ from: 7, lastIndex: 7, lastTerm: 2 });
  });

  test('counts with its term where it was the first of that', async () => {
    for (const powerLost of [true, false]) {
      expect((await rotten([2, 9], powerLost)).damage).toEqual({ from: 7, lastIndex: 7, lastTerm: 9 });
    }
  });
});

describe('a state that is distrusted', () => {
  test('is dropped at the next open, and made anew from the log', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter);
    await storage.distrustState('its digest at entry 3 differs from that of p2 and p3');
    const refused = await refusal(storage.log.append({ entries: [command(6, 2)] }));
    expect([refused.code, refused.message]).toEqual([
      'STATE_DAMAGED',
      'peers/p1: the state is not to be trusted: its digest at entry 3 differs from that of p2 and p3. It is made anew when the directory is opened again.',
    ]);
    expect((await refusal(storage.state.get(NAME))).code).toBe('STATE_DAMAGED');
    expect(storage.failure, 'nothing failed').toBeUndefined();
    await storage.close();

    expect((await refusal(openPlatter(platter))).code, 'a cluster of one has no other').toBe('STATE_DAMAGED');
    const again = await openPlatter(platter, REPAIRABLE);
    expect(await outcome(again)).toBe('log 1..5 [1@1 2@1 3@1 4@1 5@2], no state');
    await checkpointAt(again, 3);
    await again.close();
    const trusted = await openPlatter(platter);
    expect(trusted.state.checkpoint?.index).toBe(3);
    expect([...platter.databases.keys()].sort()).toEqual(['log', 'state-2']);
    await trusted.close();
  });
});

describe('a loss that only a leader knows of', () => {
  const P3 = peerId('p3');

  test('is on record from the next open on, and the vote for that leader in its term with it; nothing is done in between', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter, REPAIRABLE);
    await storage.noteLoss({ lastIndex: 9, lastTerm: 3 }, P3, 4);
    expect((await refusal(storage.log.append({ entries: [command(6, 2)] }))).code).toBe('LOG_TAIL_LOST');
    await storage.close();

    const again = await openPlatter(platter, REPAIRABLE);
    expect(await outcome(again)).toBe('log 1..5 [1@1 2@1 3@1 4@1 5@2], state at 3, votes by 9@3, refilled from 6');
    expect(again.takeRecovered().hardState).toEqual({ term: 4, votedFor: P3 });
    await again.log.append({ entries: [6, 7, 8].map((at) => command(at, 2)) });
    await again.log.append({ entries: [command(9, 4)] });
    await again.healed();
    await again.close();
    expect(await outcome(await openPlatter(platter))).toBe(
      'log 1..9 [1@1 2@1 3@1 4@1 5@2 6@2 7@2 8@2 9@4], state at 3',
    );
  });

  test('changes no vote that is on record in that term', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter, REPAIRABLE);
    await storage.noteLoss({ lastIndex: 9, lastTerm: 1 }, P3, VOTE.term);
    await storage.close();
    expect((await openPlatter(platter, REPAIRABLE)).takeRecovered().hardState).toEqual(VOTE);
  });

  test('waits for an append under way, whose term and vote come before it in HEAD', async () => {
    const platter = await lived();
    const storage = await openPlatter(platter, REPAIRABLE);
    const append = storage.log.append({
      hardState: { term: 3, votedFor: undefined },
      truncateFrom: 5,
      entries: [command(5, 3)],
    });
    await Promise.all([append, storage.noteLoss({ lastIndex: 9, lastTerm: 4 }, P3, 4)]);
    await storage.close();
    const again = await openPlatter(platter, REPAIRABLE);
    expect(await outcome(again)).toBe('log 1..5 [1@1 2@1 3@1 4@1 5@3], state at 3, votes by 9@4, refilled from 6');
    expect(again.takeRecovered().hardState).toEqual({ term: 4, votedFor: P3 });
  });

  test('that is further than another one counts beside it, and a nearer one does not', async () => {
    const platter = await lived();
    for (const lastIndex of [9, 7]) {
      const storage = await openPlatter(platter, REPAIRABLE);
      await storage.noteLoss({ lastIndex, lastTerm: 4 }, P3, 4);
      await storage.close();
    }
    expect((await openPlatter(platter, REPAIRABLE)).damage).toMatchObject({ lastIndex: 9, lastTerm: 4 });
  });
});

/** Opens `platter` until the power goes at step `crashAt`; returns what the next start finds, or undefined when it never went. */
async function cutPower(
  platter: MemoryPlatter,
  crashAt: number,
  outcomes: CrashOutcome,
): Promise<MemoryPlatter | undefined> {
  const disk = new CrashDisk(crashAt, outcomes, platter);
  try {
    await (await openOn(disk, REPAIRABLE)).close();
  } catch (error) {
    if (!disk.off) throw error;
  }
  return disk.off ? disk.platterAfter() : undefined;
}

describe('a power cut in the middle of a repair', () => {
  test.each(CRASH_OUTCOMES)('loses nothing at any step (batch $batch, slot $slot)', async (outcomes) => {
    let cuts = 0;
    for (const [story, , harm] of OTHER_STORIES) {
      if (story.includes('earlier day')) continue;
      const harmed = await lived();
      await harm(harmed);
      for (let crashAt = 1; ; crashAt += 1) {
        const after = await cutPower(copyOf(harmed), crashAt, outcomes);
        if (after === undefined) break;
        cuts += 1;
        const storage = await openPlatter(after, REPAIRABLE);
        await expectSafe(storage);
        await refill(storage);
        await storage.close();
        const again = await openPlatter(after);
        expect(again.damage, `after ${story}`).toBeUndefined();
        expect(await readAll(again)).toMatch(/5@2 6@3$|^6@3$/);
        await again.close();
      }
    }
    expect(cuts, 'places where the power went').toBeGreaterThan(100);
  });

  test('and another in the next repair, and so on, comes to the same end', async () => {
    for (const [story, , harm] of OTHER_STORIES) {
      if (story.includes('earlier day')) continue;
      let platter = await lived();
      await harm(platter);
      // Each start gets one step further than the one before.
      for (let crashAt = 1; ; crashAt += 1) {
        const after = await cutPower(platter, crashAt, { batch: 'lost', slot: 'torn' });
        if (after === undefined) break;
        platter = after;
      }
      const storage = await openOn(new MemoryDisk(copyOf(platter)), REPAIRABLE);
      await expectSafe(storage);
      await storage.close();
    }
  });
});

describe('starts of a directory', () => {
  test('are counted, and an older copy has a lower number', async () => {
    const platter = await lived();
    const first = await openPlatter(platter);
    const copy = copyOf(platter);
    await first.close();
    const second = await openPlatter(platter);
    expect(second.boot).toBe(first.boot + 1);
    await second.close();
    const third = await openPlatter(platter);
    const restored = await openPlatter(copy);
    expect(restored.identity).toEqual(third.identity);
    expect(restored.boot).toBeLessThan(third.boot);
  });
});
