import { cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { LevelDisk } from '../../src/storage/level-disk.ts';
import type { OpenedStorage } from '../../src/storage/storage.ts';
import { command, openOn, refusal } from './support/directory.ts';
import { useDirectories } from './support/directories.ts';

const newDirectory = useDirectories();

/** Entries of the directory, each in a batch of its own, and where its checkpoint is. */
const LAST = 60;
const CHECKPOINT_AT = 20;
const VOTE = { term: 1, votedFor: peerId('p3') };
const ENTRIES = Array.from({ length: LAST }, (_, at) => command(at + 1, 1, 4096));

function open(directory: string): Promise<OpenedStorage> {
  return openOn(new LevelDisk(directory), { repairable: true, ballastBytes: 0 });
}

/** A directory that lived, whose newest half lies in the log of LevelDB and whose older half lies in a table. */
async function lived(directory: string): Promise<void> {
  let storage = await open(directory);
  await storage.saveFounding({ founded: true, heard: [] });
  await storage.log.append({ hardState: VOTE, entries: [] });
  for (const entry of ENTRIES.slice(0, LAST / 2)) await storage.log.append({ entries: [entry] });
  const writer = storage.state.beginCheckpoint();
  for (let at = 0; at < 100; at += 1) writer.put(Uint8Array.of(at), new Uint8Array(500).fill(at));
  const digest = { high: 1, low: 2 };
  await writer.commit({ index: CHECKPOINT_AT, term: 1, logTimeMs: 1, configuration: new Uint8Array(0), digest });
  await storage.close();
  storage = await open(directory);
  for (const entry of ENTRIES.slice(LAST / 2)) await storage.log.append({ entries: [entry] });
  await storage.close();
}

/** The largest file of LevelDB in `directory` whose name ends so. */
function largest(directory: string, ending: string): string {
  const names = readdirSync(directory).filter((name) => name.endsWith(ending));
  const [file] = names
    .map((name) => join(directory, name))
    .sort((left, right) => statSync(right).size - statSync(left).size);
  if (file === undefined) throw new Error(`no file *${ending} in ${directory}`);
  return file;
}

function flipBit(file: string, part: number): void {
  const bytes = readFileSync(file);
  const at = Math.floor(bytes.length * part);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
}

function zero(file: string, part: number, sizeBytes: number): void {
  const bytes = readFileSync(file);
  const at = Math.floor(bytes.length * part);
  writeFileSync(file, bytes.fill(0, at, at + sizeBytes));
}

function cut(file: string, part: number): void {
  truncateSync(file, Math.floor(statSync(file).size * part));
}

type Harm = readonly [what: string, harm: (directory: string) => void];

const LOG_HARMS: readonly Harm[] = [
  ['a bit flips in the log of LevelDB', (at) => flipBit(largest(join(at, 'log'), '.log'), 0.5)],
  ['a page of its log is zeros', (at) => zero(largest(join(at, 'log'), '.log'), 0.3, 4096)],
  ['its log is cut', (at) => cut(largest(join(at, 'log'), '.log'), 0.7)],
  ['its log is cut by one byte', (at) => cut(largest(join(at, 'log'), '.log'), 0.99999)],
  ['its log is deleted', (at) => rmSync(largest(join(at, 'log'), '.log'))],
  ['a bit flips in a table', (at) => flipBit(largest(join(at, 'log'), '.ldb'), 0.5)],
  ['a bit flips in the last data of a table', (at) => flipBit(largest(join(at, 'log'), '.ldb'), 0.9)],
  ['a page of a table is zeros', (at) => zero(largest(join(at, 'log'), '.ldb'), 0.9, 4096)],
  ['a table is empty', (at) => truncateSync(largest(join(at, 'log'), '.ldb'), 0)],
  ['a table is cut', (at) => cut(largest(join(at, 'log'), '.ldb'), 0.5)],
  ['a table is deleted', (at) => rmSync(largest(join(at, 'log'), '.ldb'))],
  ['its manifest is deleted', (at) => rmSync(join(at, 'log', manifest(join(at, 'log'))))],
  ['a bit flips in its manifest', (at) => flipBit(join(at, 'log', manifest(join(at, 'log'))), 0.5)],
  ['CURRENT is deleted', (at) => rmSync(join(at, 'log', 'CURRENT'))],
  ['CURRENT is empty', (at) => truncateSync(join(at, 'log', 'CURRENT'), 0)],
  ['the whole log is deleted', (at) => rmSync(join(at, 'log'), { recursive: true })],
];

const STATE_HARMS: readonly Harm[] = [
  ['a bit flips in a table', (at) => flipBit(largest(join(at, 'state'), '.ldb'), 0.3)],
  ['a table is deleted', (at) => rmSync(largest(join(at, 'state'), '.ldb'))],
  ['its manifest is deleted', (at) => rmSync(join(at, 'state', manifest(join(at, 'state'))))],
  ['CURRENT is empty', (at) => truncateSync(join(at, 'state', 'CURRENT'), 0)],
  ['the whole state is deleted', (at) => rmSync(join(at, 'state'), { recursive: true })],
  ['the whole state was put aside', (at) => renameSync(join(at, 'state'), join(at, 'state.aside'))],
];

function manifest(directory: string): string {
  const name = readdirSync(directory).find((each) => each.startsWith('MANIFEST-'));
  if (name === undefined) throw new Error(`no manifest in ${directory}`);
  return name;
}

/** What must hold however the log was harmed; the peer is then refilled, and must be whole. */
async function expectRepaired(directory: string): Promise<void> {
  const storage = await open(directory);
  const { log, damage } = storage;
  expect(storage.takeRecovered().hardState).toEqual(VOTE);
  expect(log.lastIndex).toBeGreaterThanOrEqual(CHECKPOINT_AT);
  const entries = log.lastIndex < log.firstIndex ? [] : await log.read(log.firstIndex, log.lastIndex, 1e9);
  expect(entries).toEqual(ENTRIES.slice(log.firstIndex - 1, log.lastIndex));
  if (log.lastIndex < LAST) expect(damage).toEqual({ from: log.lastIndex + 1, lastIndex: LAST, lastTerm: 1 });
  expect(storage.state.checkpoint?.index).toBe(CHECKPOINT_AT);
  if (log.lastIndex < LAST) await log.append({ entries: ENTRIES.slice(log.lastIndex) });
  await storage.healed();
  await storage.close();
  const again = await open(directory);
  expect(again.damage).toBeUndefined();
  expect(again.notes).toEqual([]);
  expect(again.log.lastIndex).toBe(LAST);
  await again.close();
}

describe('a directory of LevelDB that other peers can refill', () => {
  const template = { directory: '' };
  beforeAll(async () => {
    template.directory = newDirectory();
    await lived(template.directory);
    template.directory = copy(template.directory);
    return () => rmSync(template.directory, { recursive: true, force: true });
  });

  /** A copy beside the directories of a test, which are removed after each. */
  function copy(from: string): string {
    const to = `${from}-whole`;
    cpSync(from, to, { recursive: true });
    return to;
  }

  function harmed(harm: (directory: string) => void): string {
    const directory = join(newDirectory(), 'p1');
    cpSync(template.directory, directory, { recursive: true });
    harm(directory);
    return directory;
  }

  test.each(LOG_HARMS)('is made whole when %s', async (_what, harm) => {
    await expectRepaired(harmed(harm));
  });

  test.each(STATE_HARMS)('makes the state anew when, of the state, %s', async (_what, harm) => {
    const directory = harmed(harm);
    const storage = await open(directory);
    expect(storage.state.checkpoint).toBeUndefined();
    expect(storage.damage).toBeUndefined();
    expect(storage.log).toMatchObject({ firstIndex: 1, lastIndex: LAST });
    await storage.close();
    const again = await open(directory);
    expect(again.notes).toEqual([]);
    await again.close();
  });

  test('finds rot in the state when it reads it, and drops the state when that is asked for', async () => {
    const directory = harmed(() => undefined);
    let storage = await open(directory);
    flipBit(largest(join(directory, 'state'), '.ldb'), 0.3);
    const error = await refusal(storage.state.range({ limit: 1000 }));
    expect(error.code).toBe('STATE_DAMAGED');
    await storage.distrustState('a record of it is damaged');
    await storage.close();
    storage = await open(directory);
    expect(storage.state.checkpoint).toBeUndefined();
    await storage.close();
    expect(readdirSync(directory).sort()).toEqual(['HEAD', 'log', 'state-2']);
  });

  test('repairs nothing in a directory that another process has open', async () => {
    const directory = harmed(() => undefined);
    const storage = await open(directory);
    flipBit(largest(join(directory, 'state'), '.ldb'), 0.3);
    truncateSync(largest(join(directory, 'log'), '.ldb'), 100);
    const files = (): string[] =>
      readdirSync(directory)
        .concat(readdirSync(join(directory, 'log')))
        .sort();
    const before = files();
    expect((await refusal(open(directory))).code).toBe('DATA_DIR_LOCKED');
    expect(files().filter((name) => !name.startsWith('LOG'))).toEqual(before.filter((name) => !name.startsWith('LOG')));
    await storage.close();
  });

  test('takes a state from another peer, and leaves nothing of the old one', async () => {
    const directory = harmed(() => undefined);
    let storage = await open(directory);
    const staging = await storage.beginSnapshot();
    const value = new Uint8Array(100_000);
    for (let at = 0; at < 40; at += 1) await staging.add([{ key: Uint8Array.of(at), value: value.fill(at) }]);
    const mark = { index: 500, term: 1, logTimeMs: 1, configuration: new Uint8Array(0), digest: { high: 1, low: 2 } };
    await staging.finish(mark, { index: 500, term: 1, chain: { high: 3, low: 4 } });
    await staging.install();
    await storage.close();
    expect(readdirSync(directory).sort()).toEqual(['HEAD', 'log', 'state-2']);
    storage = await open(directory);
    expect(storage.log).toMatchObject({ firstIndex: 501, lastIndex: 500 });
    expect(storage.state.checkpoint?.index).toBe(500);
    expect(await storage.state.get(Uint8Array.of(39))).toEqual(new Uint8Array(100_000).fill(39));
    await storage.close();
  });

  test('removes what a crash left of a database that was being removed', async () => {
    const directory = harmed((at) => cpSync(join(at, 'state'), join(at, 'state-7.removed'), { recursive: true }));
    await (await open(directory)).close();
    expect(readdirSync(directory).sort()).toEqual(['HEAD', 'log', 'state']);
  });

  test('has a ballast that takes room, and ends one that is being written when it is closed', async () => {
    const directory = harmed(() => undefined);
    const disk = new LevelDisk(directory);
    await disk.reserveBallast(3 * 1024 * 1024);
    const file = statSync(join(directory, 'ballast'));
    expect(file.size).toBe(3 * 1024 * 1024);
    expect(file.blocks * 512).toBeGreaterThanOrEqual(file.size);
    expect(file.mode & 0o077).toBe(0);
    await disk.releaseBallast();
    expect(statSync(join(directory, 'ballast')).size).toBe(0);
    const reserving = disk.reserveBallast(1024 * 1024 * 1024);
    await disk.close();
    await reserving;
    expect(readdirSync(directory).sort()).toEqual(['HEAD', 'ballast', 'log', 'state']);
    expect(statSync(join(directory, 'ballast')).size).toBe(0);
  });
});
