import { crc32 } from 'node:zlib';
import { expect } from 'vitest';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { peerId } from '../../../src/base/ids.ts';
import type { DatabaseName } from '../../../src/storage/disk.ts';
import { compareKeys, entryKey } from '../../../src/storage/keys.ts';
import { LOG_START, LogCodec } from '../../../src/storage/log-record.ts';
import { MemoryPlatter } from '../../../src/storage/memory-disk.ts';
import { beginRecord, type RecordKind, sealRecord } from '../../../src/storage/record.ts';
import type { OpenedStorage } from '../../../src/storage/storage.ts';
import { command, openPlatter } from './directory.ts';

/** The name of the one state record of `lived`. */
export const NAME: Uint8Array = Uint8Array.of(0x61);
const CHECKPOINT = { index: 3, term: 1, logTimeMs: 9, configuration: Uint8Array.of(1), digest: { high: 1, low: 2 } };

/** Writes a checkpoint at entry `index` of term 1. */
export async function checkpointAt(storage: OpenedStorage, index: number): Promise<void> {
  const writer = storage.state.beginCheckpoint();
  writer.put(NAME, Uint8Array.of(42));
  await writer.commit({ ...CHECKPOINT, index });
}

/** A directory with five entries, each in a batch of its own, a checkpoint at 3, a vote in term 2 and a founding. */
export async function lived(): Promise<MemoryPlatter> {
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

/** Where the record under `key` lies. */
export function place(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array): number {
  const at = platter.rows(name).findIndex(([stored]) => compareKeys(stored, key) === 0);
  expect(at, 'the record to damage is there').toBeGreaterThanOrEqual(0);
  return at;
}

/** A record is lost. */
export function remove(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array): void {
  platter.rows(name).splice(place(platter, name, key), 1);
}

/** A bit of a record rots. */
export function flip(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array): void {
  const record = platter.rows(name)[place(platter, name, key)]?.[1] as Uint8Array;
  record[record.length - 1] = (record.at(-1) as number) ^ 1;
}

/** Another record lies under the key. */
export function replace(platter: MemoryPlatter, name: DatabaseName, key: Uint8Array, value: Uint8Array): void {
  platter.rows(name)[place(platter, name, key)] = [key, value];
}

/** A record appears in the log. */
export function insert(platter: MemoryPlatter, entry: [Uint8Array, Uint8Array]): void {
  platter.rows('log').push(entry);
  platter.rows('log').sort((left, right) => compareKeys(left[0], right[0]));
}

/** All of the log from entry `index` on is lost. */
export function removeFrom(platter: MemoryPlatter, index: number): void {
  const kept = platter.rows('log').filter(([key]) => compareKeys(key, entryKey(index)) < 0 || key[0] !== 0x65);
  platter.databases.set('log', kept);
}

/** A record whose checksum is right and whose format is of the future. */
export function laterFormat(kind: RecordKind, key: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, kind);
  const bytes = writer.take();
  bytes[5] = 9;
  writer.reset();
  writer.raw(bytes);
  sealRecord(writer, crc32, key);
  return writer.take();
}

/** An entry with a right checksum that this peer never wrote. */
export function forgedEntry(index: number, term: number): Uint8Array {
  const writer = new ByteWriter();
  new LogCodec(crc32).encodeEntry(writer, entryKey(index), command(index, term, 17), LOG_START);
  return writer.take();
}

/** A copy of a platter, which can be harmed without harm to the first. */
export function copyOf(platter: MemoryPlatter): MemoryPlatter {
  const copy = new MemoryPlatter();
  for (const [name, rows] of platter.databases) {
    copy.databases.set(
      name,
      rows.map(([key, value]) => [key.slice(), value.slice()]),
    );
  }
  if (platter.head !== undefined) copy.head = [platter.head[0].slice(), platter.head[1].slice()];
  copy.ballastBytes = platter.ballastBytes;
  return copy;
}
