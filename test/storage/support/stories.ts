import { HEAD_SLOT_BYTES } from '../../../src/storage/disk.ts';
import { CHECKPOINT_KEY, entryKey, FOUNDING_KEY, IDENTITY_KEY, metaKey } from '../../../src/storage/keys.ts';
import { MemoryPlatter } from '../../../src/storage/memory-disk.ts';
import { RECORD_KIND } from '../../../src/storage/record.ts';
import { command, commands, openPlatter } from './directory.ts';
import { flip, forgedEntry, laterFormat, lived, place, remove, removeFrom, replace } from './harm.ts';

/** What happened, what it is called (with the first index in question), and how to make it happen to `lived`. */
export type DamageStory = readonly [
  story: string,
  code: string,
  harm: (platter: MemoryPlatter) => void | Promise<void>,
];

/** Each kind of damage that one fault may do. */
export const STORIES: readonly DamageStory[] = [
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
