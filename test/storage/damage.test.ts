import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import { peerId } from '../../src/base/ids.ts';
import { type DatabaseName, HEAD_SLOT_BYTES } from '../../src/storage/disk.ts';
import {
  CHECKPOINT_KEY,
  compareKeys,
  entryKey,
  FOUNDING_KEY,
  IDENTITY_KEY,
  metaKey,
  recordKey,
} from '../../src/storage/keys.ts';
import { LOG_START, LogCodec } from '../../src/storage/log-record.ts';
import { MemoryPlatter } from '../../src/storage/memory-disk.ts';
import { beginRecord, RECORD_KIND, sealRecord } from '../../src/storage/record.ts';
import type { OpenedStorage } from '../../src/storage/storage.ts';
import type { StorageError } from '../../src/storage/storage-error.ts';
import { command, commands, openPlatter, refusal } from './support/directory.ts';

const NAME = Uint8Array.of(0x61);
const CHECKPOINT = { index: 3, term: 1, logTimeMs: 9, configuration: Uint8Array.of(1), digest: { high: 1, low: 2 } };

async function checkpointAt(storage: OpenedStorage, index: number): Promise<void> {
  const writer = storage.state.beginCheckpoint();
  writer.put(NAME, Uint8Array.of(42));
  await writer.commit({ ...CHECKPOINT, index });
}

/** A directory with five entries, each in a batch of its own, a checkpoint at 3, a vote in term 2 and a founding. */
async function lived(): Promise<MemoryPlatter> {
  const platter = new MemoryPlatter();
  const storage = await openPlatter(platter);
  await storage.saveFounding({ founded: true, heard: [] });
  await storage.log.append({ hardState: { term: 1, votedFor: peerId('p1') }, entries: [] });
  for (let index = 1; index <= 4; index += 1) await storage.log.append({ entries: [command(index, 1)] });
  await checkpointAt(storage, 3);
  await storage.log.append({ hardState: { term: 2, votedFor: peerId('p2') }, entries: [command(5, 2)] });
  await storage.close();
  return platter;
}

function place(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array): number {
  const at = platter.rows(name).findIndex(([stored]) => compareKeys(stored, key) === 0);
  expect(at, 'the record to damage is there').toBeGreaterThanOrEqual(0);
  return at;
}

function remove(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array): void {
  platter.rows(name).splice(place(platter, name, key), 1);
}

function flip(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array): void {
  const record = platter.rows(name)[place(platter, name, key)]?.[1] as Uint8Array;
  record[record.length - 1] = (record.at(-1) as number) ^ 1;
}

function replace(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array, value: Uint8Array): void {
  platter.rows(name)[place(platter, name, key)] = [key, value];
}

function insert(platter: MemoryPlatter, entry: [Uint8Array, Uint8Array]): void {
  platter.rows('log').push(entry);
  platter.rows('log').sort((left, right) => compareKeys(left[0], right[0]));
}

function removeFrom(platter: MemoryPlatter, index: number): void {
  const kept = platter.rows('log').filter(([key]) => compareKeys(key, entryKey(index)) < 0 || key[0] !== 0x65);
  platter.databases.set('log', kept);
}

/** A record whose checksum is right and whose format is of the future. */
function laterFormat(kind: (typeof RECORD_KIND)[keyof typeof RECORD_KIND], key: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, kind);
  const bytes = writer.take();
  bytes[5] = 9;
  writer.reset();
  writer.raw(bytes);
  sealRecord(writer, crc32, key);
  return writer.take();
}

const codec = new LogCodec(crc32);

function forgedEntry(index: number, term: number): Uint8Array {
  const writer = new ByteWriter();
  codec.encodeEntry(writer, entryKey(index), command(index, term, 17), LOG_START);
  return writer.take();
}

type Damage = readonly [story: string, code: string, harm: (platter: MemoryPlatter) => void | Promise<void>];

const STORIES: readonly Damage[] = [
  ['a bit of an entry is flipped', 'LOG_DAMAGED 3', (it) => flip(it, 'log', entryKey(3))],
  ['an entry in the middle is gone', 'LOG_DAMAGED 2', (it) => remove(it, 'log', entryKey(2))],
  ['the first entry is gone', 'LOG_DAMAGED 1', (it) => remove(it, 'log', entryKey(1))],
  ['the last entry is gone and what tells of it is there', 'LOG_DAMAGED 5', (it) => remove(it, 'log', entryKey(5))],
  [
    'an entry is another one with a right checksum',
    'LOG_DAMAGED 3',
    (it) => replace(it, 'log', entryKey(3), forgedEntry(3, 1)),
  ],
  [
    'the first entry is another one with a right checksum',
    'LOG_DAMAGED 2',
    (it) => replace(it, 'log', entryKey(1), forgedEntry(1, 1)),
  ],
  [
    'an entry lies under the key of another',
    'LOG_DAMAGED 3',
    (it) => {
      replace(it, 'log', entryKey(3), it.rows('log')[place(it, 'log', entryKey(2))]?.[1] as Uint8Array);
    },
  ],
  [
    'an entry is of a later format',
    'FORMAT_UNKNOWN 2',
    (it) => replace(it, 'log', entryKey(2), laterFormat(RECORD_KIND.entry, entryKey(2))),
  ],
  ['the newest batch is gone', 'LOG_TAIL_LOST 5', (it) => removeFrom(it, 5)],
  ['all batches are gone', 'LOG_TAIL_LOST 1', (it) => removeFrom(it, 0)],
  ['the log is wiped', 'LOG_TAIL_LOST 1', (it) => void it.databases.set('log', [])],
  ['the record of the end of the log is gone', 'META_DAMAGED', (it) => remove(it, 'log', metaKey(5))],
  ['a bit of the record of the end of the log is flipped', 'META_DAMAGED', (it) => flip(it, 'log', metaKey(5))],
  [
    'HEAD is of another history',
    'LOG_DAMAGED 5',
    async (it) => {
      const other = await lived();
      const storage = await openPlatter(other);
      await storage.log.append({
        hardState: { term: 3, votedFor: undefined },
        truncateFrom: 5,
        entries: [command(5, 3)],
      });
      await storage.close();
      it.head = other.head;
    },
  ],
  ['HEAD is gone', 'HEAD_DAMAGED', (it) => void (it.head = undefined)],
  [
    'HEAD is all zeros',
    'HEAD_DAMAGED',
    (it) => void (it.head = [new Uint8Array(HEAD_SLOT_BYTES), new Uint8Array(HEAD_SLOT_BYTES)]),
  ],
  ['both slots of HEAD are damaged', 'HEAD_DAMAGED', (it) => it.head?.forEach((slot) => slot.fill(7, 20, 30))],
  ['HEAD is cut', 'HEAD_DAMAGED', (it) => void (it.head = [new Uint8Array(100).fill(1), new Uint8Array(0)])],
  ['the identity in the log is gone', 'IDENTITY_DAMAGED', (it) => remove(it, 'log', IDENTITY_KEY)],
  ['a bit of the identity in the log is flipped', 'IDENTITY_DAMAGED', (it) => flip(it, 'log', IDENTITY_KEY)],
  ['a bit of the identity in the state is flipped', 'STATE_DAMAGED', (it) => flip(it, 'state', IDENTITY_KEY)],
  ['a bit of the founding is flipped', 'IDENTITY_DAMAGED', (it) => flip(it, 'log', FOUNDING_KEY)],
  ['the identity in the state is gone', 'STATE_DAMAGED', (it) => remove(it, 'state', IDENTITY_KEY)],
  ['a bit of the checkpoint is flipped', 'STATE_DAMAGED', (it) => flip(it, 'state', CHECKPOINT_KEY)],
  [
    'the log is that of an earlier day, with its HEAD',
    'LOG_TAIL_LOST 3',
    async (it) => {
      const earlier = new MemoryPlatter();
      const storage = await openPlatter(earlier);
      await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: commands(1, 2, 1) });
      await storage.close();
      it.databases.set('log', earlier.rows('log'));
      it.head = earlier.head;
    },
  ],
];

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
    expect(tried).toBe(10);
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
