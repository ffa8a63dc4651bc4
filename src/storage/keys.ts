/**
 * Where records lie in the databases. Keys sort as their bytes do, and what is written together lies together: an entry,
 * then the meta record of the batch that ended with it. A meta record under one fixed key would span every table of
 * LevelDB over the whole log, and each compaction would rewrite all of it (a third of the CPU of an append, measured).
 *
 *     log    'e' index          one entry
 *            'e' index 'm'      the meta record of the batch whose last entry this was
 *            'i'                identity
 *            'f'                founding
 *            'h'                how often others said that their directories were opened
 *            's'                which generation of the state is in use
 *     state  'b' sequence       that a batch of that number was written
 *            'c'                the checkpoint record
 *            'i'                identity
 *            'r' key            one record of the state machine
 *            't'                what a state is to become that is on its way from another peer; gone once it is whole
 */
import { assert } from '../base/assert.ts';
import type { LogIndex } from '../base/ids.ts';

const ENTRY = 0x65;
const META = 0x6d;
const BATCH = 0x62;
const RECORD = 0x72;
const ENTRY_KEY_BYTES = 9;
const META_KEY_BYTES = 10;
const BATCH_KEY_BYTES = 9;

/** Under it lies the identity, in both databases. */
export const IDENTITY_KEY: Uint8Array = Uint8Array.of(0x69);
/** Under it lies the founding record, in the log database. */
export const FOUNDING_KEY: Uint8Array = Uint8Array.of(0x66);
/** Under it lies what was heard of the directories of others, in the log database. */
export const BOOTS_KEY: Uint8Array = Uint8Array.of(0x68);
/** Under it lies the record of the generation, in the log database. */
export const GENERATION_KEY: Uint8Array = Uint8Array.of(0x73);
/** Under it lies the checkpoint record, in the state database. */
export const CHECKPOINT_KEY: Uint8Array = Uint8Array.of(0x63);
/** Under it lies what a state is to become, in a state database that is not whole yet. */
export const STAGED_KEY: Uint8Array = Uint8Array.of(0x74);
/** Before every entry and meta record. */
export const LOG_KEYS_START: Uint8Array = Uint8Array.of(ENTRY);
/** Behind every entry and meta record. */
export const LOG_KEYS_END: Uint8Array = Uint8Array.of(ENTRY + 1);
/** Behind every state record. */
export const STATE_KEYS_END: Uint8Array = Uint8Array.of(RECORD + 1);

/** The key of entry `index`. */
export function entryKey(index: LogIndex): Uint8Array {
  const key = new Uint8Array(ENTRY_KEY_BYTES);
  writeNumber(key, ENTRY, index);
  return key;
}

/** The key of the meta record of a batch after which the log ends with `lastIndex`; it sorts right behind that entry. */
export function metaKey(lastIndex: LogIndex): Uint8Array {
  const key = new Uint8Array(META_KEY_BYTES);
  writeNumber(key, ENTRY, lastIndex);
  key[ENTRY_KEY_BYTES] = META;
  return key;
}

/** True for a key made by `metaKey`. */
export function isMetaKey(key: Uint8Array): boolean {
  return key.length === META_KEY_BYTES && key[0] === ENTRY && key[ENTRY_KEY_BYTES] === META;
}

/** True for a key made by `entryKey`. */
export function isEntryKey(key: Uint8Array): boolean {
  return key.length === ENTRY_KEY_BYTES && key[0] === ENTRY;
}

/** True when `indexOfKey` can tell the index. A rotten table may return any key. */
export function isLogKey(key: Uint8Array): boolean {
  return isEntryKey(key) || isMetaKey(key);
}

/** The index in a key of `entryKey` or `metaKey`. */
export function indexOfKey(key: Uint8Array): LogIndex {
  assert(isLogKey(key), 'only keys of the log hold an index');
  let index = 0;
  for (let at = 1; at < ENTRY_KEY_BYTES; at += 1) index = index * 256 + (key[at] as number);
  return index;
}

/** Behind every record of a batch, in the state database. */
export const BATCH_KEYS_END: Uint8Array = Uint8Array.of(BATCH + 1);

/** The key in the state database that tells of batch `sequence`. */
export function batchKey(sequence: number): Uint8Array {
  const key = new Uint8Array(BATCH_KEY_BYTES);
  writeNumber(key, BATCH, sequence);
  return key;
}

/** The key in the state database of the record that the state machine calls `key`. */
export function recordKey(key: Uint8Array): Uint8Array {
  const stored = new Uint8Array(key.length + 1);
  stored[0] = RECORD;
  stored.set(key, 1);
  return stored;
}

/** What the state machine calls the record that lies under `stored`. */
export function nameOfRecord(stored: Uint8Array): Uint8Array {
  assert(stored[0] === RECORD, 'only keys of state records have a name');
  return stored.subarray(1);
}

/** The least key behind `key`: where the page after one that ended with `key` begins. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

/** Byte order, a prefix before what it begins: negative, 0 or positive. */
export function compareKeys(left: Uint8Array, right: Uint8Array): number {
  const common = Math.min(left.length, right.length);
  for (let at = 0; at < common; at += 1) {
    const difference = (left[at] as number) - (right[at] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function writeNumber(key: Uint8Array, prefix: number, number: number): void {
  assert(Number.isSafeInteger(number) && number >= 0, 'a key holds a safe integer of 0 and more');
  const high = number < 0x1_0000_0000 ? 0 : Math.floor(number / 0x1_0000_0000);
  // Byte by byte: a `DataView` would bring the buffer of so small an array to life, which costs ten times what the array does.
  key[0] = prefix;
  key[1] = high >>> 24;
  key[2] = high >>> 16;
  key[3] = high >>> 8;
  key[4] = high;
  key[5] = number >>> 24;
  key[6] = number >>> 16;
  key[7] = number >>> 8;
  key[8] = number;
}
