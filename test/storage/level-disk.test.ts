import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { SeededRandom } from '../../src/base/random.ts';
import type { Entry } from '../../src/raft/types.ts';
import { LevelDisk } from '../../src/storage/level-disk.ts';
import type { OpenedStorage } from '../../src/storage/storage.ts';
import type { StorageError } from '../../src/storage/storage-error.ts';
import { brief, command, commands, openOn, readAll, refusal } from './support/directory.ts';
import { useDirectories } from './support/directories.ts';

const newDirectory = useDirectories();

/** A process that opens the database named last, says so, and holds it until its input ends. */
const HOLDER = `
  import { Level } from 'level';
  const level = new Level(process.argv[1]);
  await level.open();
  process.stdout.write('held');
  process.stdin.resume().on('end', () => level.close());
`;

function open(directory: string, peer = 'p1', clusterId = 'orchard', seed = 1): Promise<OpenedStorage> {
  return openOn(new LevelDisk(directory), { peerId: peerId(peer), clusterId, random: new SeededRandom(seed) });
}

/** A directory that was used, with `count` entries of 4 KiB in batches of one, and a checkpoint at 5. */
async function lived(count = 40, peer = 'p1', seed = 1): Promise<string> {
  const directory = newDirectory();
  const storage = await open(directory, peer, 'orchard', seed);
  await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: [] });
  for (let index = 1; index <= count; index += 1) await storage.log.append({ entries: [command(index, 1, 4096)] });
  const writer = storage.state.beginCheckpoint();
  for (let at = 0; at < 50; at += 1) writer.put(Uint8Array.of(at), new Uint8Array(500).fill(at));
  const digest = { high: 1, low: 2 };
  await writer.commit({ index: 5, term: 1, logTimeMs: 1, configuration: new Uint8Array(0), digest });
  await storage.close();
  return directory;
}

/** The files of LevelDB in `directory` whose name ends so, the largest first. */
function files(directory: string, ending: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, name))
    .sort((left, right) => statSync(right).size - statSync(left).size);
}

function largest(directory: string, ending: string): string {
  const [file] = files(directory, ending);
  if (file === undefined) throw new Error(`no file *${ending} in ${directory}`);
  return file;
}

function flipBit(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
}

/** Opens and closes the directory, so that what was in the log of LevelDB moves to a table. */
async function settle(directory: string): Promise<void> {
  await (await open(directory)).close();
}

async function refused(directory: string, peer?: string, clusterId?: string): Promise<StorageError> {
  return refusal(open(directory, peer, clusterId));
}

describe('a directory of the file system', () => {
  test('comes back as it was', async () => {
    const directory = await lived(12);
    const storage = await open(directory);
    expect(storage.takeRecovered()).toMatchObject({ lastIndex: 12, hardState: { term: 1 } });
    expect((await readAll(storage)).split(' ')).toHaveLength(12);
    expect(storage.state.checkpoint?.index).toBe(5);
    expect(await storage.state.get(Uint8Array.of(7))).toEqual(new Uint8Array(500).fill(7));
    await storage.close();
  });

  test('is private: directories are 0700 and files 0600', async () => {
    const directory = join(newDirectory(), 'deep', 'p1');
    await (await open(directory)).close();
    const modes = ['', 'log', 'state'].map((name) => statSync(join(directory, name)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o700, 0o700]);
    for (const name of ['.', 'log', 'state']) {
      for (const entry of readdirSync(join(directory, name), { withFileTypes: true })) {
        if (!entry.isFile()) continue;
        expect(statSync(join(directory, name, entry.name)).mode & 0o077, `${name}/${entry.name}`).toBe(0);
      }
    }
  });

  test('that holds something else is refused and left alone', async () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'thesis.txt'), 'years of work');
    expect(() => new LevelDisk(directory)).toThrow('is not empty and no data directory of Taskraft');
    expect(readdirSync(directory)).toEqual(['thesis.txt']);
  });

  test('that is a file is refused', () => {
    const file = join(newDirectory(), 'file');
    writeFileSync(file, '');
    expect(() => new LevelDisk(file)).toThrow('cannot be used');
  });

  test('that is open is refused in the same process and in another', async () => {
    const directory = await lived(6);
    const storage = await open(directory);
    const error = await refused(directory);
    expect(error.code).toBe('DATA_DIR_LOCKED');
    expect(error.message).toContain(`the data directory ${directory} is in use by another process`);
    await storage.close();

    const holder = spawn(process.execPath, ['--input-type=module', '--eval', HOLDER, join(directory, 'log')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    expect((await refused(directory)).code).toBe('DATA_DIR_LOCKED');
    holder.stdin.end();
    await once(holder, 'exit');
    await (await open(directory)).close();
  });

  test('of another cluster or another peer is refused by name', async () => {
    const directory = await lived(6);
    const wrongCluster = await refused(directory, 'p1', 'meadow');
    expect(wrongCluster.code).toBe('WRONG_CLUSTER');
    expect(wrongCluster.message).toContain('belongs to cluster "orchard", and this peer is of cluster "meadow"');
    const wrongPeer = await refused(directory, 'p2');
    expect(wrongPeer.code).toBe('WRONG_PEER');
    expect(wrongPeer.message).toContain('belongs to peer "p1", and this peer is "p2"');
    await (await open(directory)).close();
  });

  test('with parts of another directory is refused', async () => {
    const mine = await lived(6, 'p1', 1);
    const copyOfMine = join(newDirectory(), 'mine');
    cpSync(mine, copyOfMine, { recursive: true });
    const anotherP1 = await lived(6, 'p1', 2);
    const p2 = await lived(6, 'p2', 3);
    for (const part of ['HEAD', 'log', 'state']) {
      rmSync(join(mine, part), { recursive: true });
      cpSync(join(anotherP1, part), join(mine, part), { recursive: true });
      const mixed = await refused(mine);
      expect(mixed.message, `with another ${part}`).toContain('parts of two data directories were mixed');
      rmSync(join(mine, part), { recursive: true });
      cpSync(join(p2, part), join(mine, part), { recursive: true });
      const foreign = await refused(mine);
      expect(foreign.code, `with another ${part}`).toBe('WRONG_PEER');
      rmSync(join(mine, part), { recursive: true });
      cpSync(join(copyOfMine, part), join(mine, part), { recursive: true });
    }
    await (await open(mine)).close();
  });
});

describe('damage that LevelDB does not tell', () => {
  test('a flipped bit in its log, of which it drops a block in silence', async () => {
    const directory = await lived();
    flipBit(largest(join(directory, 'log'), '.log'), 60_000);
    const error = await refused(directory);
    expect(error.code).toBe('LOG_DAMAGED');
    expect(error.index).toBeGreaterThan(5);
    expect(error.index).toBeLessThan(30);
  });

  test('zeros in its log', async () => {
    const directory = await lived();
    const file = largest(join(directory, 'log'), '.log');
    writeFileSync(file, readFileSync(file).fill(0, 80_000, 84_096));
    expect((await refused(directory)).code).toBe('LOG_DAMAGED');
  });

  test('its log cut to half', async () => {
    const directory = await lived();
    const file = largest(join(directory, 'log'), '.log');
    truncateSync(file, Math.floor(statSync(file).size / 2));
    const error = await refused(directory);
    expect(error.code).toBe('LOG_TAIL_LOST');
    expect(error.message).toMatch(/ends with entry \d+ although this peer had acknowledged entries up to 40/);
  });

  test('its log cut by one byte', async () => {
    const directory = await lived();
    const file = largest(join(directory, 'log'), '.log');
    truncateSync(file, statSync(file).size - 1);
    expect(await refused(directory)).toMatchObject({ code: 'LOG_TAIL_LOST', index: 40 });
  });

  test('its log deleted', async () => {
    const directory = await lived();
    await settle(directory);
    const storage = await open(directory);
    await storage.log.append({ entries: [command(41, 1)] });
    await storage.close();
    rmSync(largest(join(directory, 'log'), '.log'));
    expect(await refused(directory)).toMatchObject({ code: 'LOG_TAIL_LOST', index: 41 });
  });

  test('a flipped bit in a table, which it returns as data', async () => {
    const directory = await lived();
    await settle(directory);
    flipBit(largest(join(directory, 'log'), '.ldb'), 50_000);
    expect((await refused(directory)).code).toBe('LOG_DAMAGED');
  });

  test('an empty table', async () => {
    const directory = await lived();
    await settle(directory);
    truncateSync(largest(join(directory, 'log'), '.ldb'), 0);
    expect((await refused(directory)).code).toBe('LOG_DAMAGED');
  });

  test('a table deleted', async () => {
    const directory = await lived();
    await settle(directory);
    rmSync(largest(join(directory, 'log'), '.ldb'));
    const error = await refused(directory);
    expect(error.code).toBe('LOG_DAMAGED');
    expect(error.message).toContain('LevelDB cannot open');
  });

  test('CURRENT empty, or gone, over which it would make a new database', async () => {
    const directory = await lived();
    await settle(directory);
    const current = join(directory, 'log', 'CURRENT');
    writeFileSync(current, '');
    expect((await refused(directory)).code).toBe('LOG_DAMAGED');
    rmSync(current);
    expect((await refused(directory)).message).toContain('not its file CURRENT');
    expect(files(join(directory, 'log'), '.ldb').length, 'nothing was removed').toBeGreaterThan(0);
  });

  test('the log directory deleted, and all of it but HEAD', async () => {
    const directory = await lived();
    rmSync(join(directory, 'log'), { recursive: true });
    expect(await refused(directory)).toMatchObject({ code: 'LOG_TAIL_LOST', index: 1 });
    rmSync(join(directory, 'state'), { recursive: true });
    expect(await refused(directory)).toMatchObject({ code: 'LOG_TAIL_LOST', index: 1 });
  });

  test('HEAD deleted, emptied, cut', async () => {
    const directory = await lived();
    const head = join(directory, 'HEAD');
    const whole = readFileSync(head);
    rmSync(head);
    expect((await refused(directory)).code).toBe('HEAD_DAMAGED');
    writeFileSync(head, '');
    expect((await refused(directory)).code).toBe('HEAD_DAMAGED');
    writeFileSync(head, whole.subarray(0, 300));
    expect((await refused(directory)).code).toBe('HEAD_DAMAGED');
    writeFileSync(head, whole);
    await (await open(directory)).close();
  });

  test('a flipped bit or a deleted table in the state', async () => {
    const directory = await lived();
    await settle(directory);
    const table = largest(join(directory, 'state'), '.ldb');
    flipBit(table, 10_000);
    const flipped = await refused(directory);
    expect(flipped.code).toBe('STATE_DAMAGED');
    expect(flipped.message).toContain('.ldb of LevelDB in ');
    rmSync(table);
    const error = await refused(directory);
    expect(error.code).toBe('STATE_DAMAGED');
    expect(error.message).toContain(`move ${directory}/state away and start again`);
    renameSync(join(directory, 'state'), join(directory, 'state.damaged'));
    const anew = await open(directory);
    expect(anew.state.checkpoint).toBeUndefined();
    expect(anew.log.firstIndex).toBe(1);
    await anew.close();
  });

  test('a whole directory that is gone is a new one, of another incarnation', async () => {
    const directory = await lived();
    const first = (await open(directory)).identity.incarnation;
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    const elsewhere = join(newDirectory(), 'p1');
    const storage = await open(elsewhere, 'p1', 'orchard', 9);
    expect(storage.identity.incarnation).not.toBe(first);
    expect(storage.log.lastIndex).toBe(0);
    await storage.close();
    expect(existsSync(join(elsewhere, 'HEAD'))).toBe(true);
  });
});

describe('a log over many files of LevelDB', () => {
  test('is read back whole after truncations and compactions', async () => {
    const directory = newDirectory();
    let storage = await open(directory);
    await storage.log.append({ hardState: { term: 1, votedFor: undefined }, entries: commands(1, 600, 1, 100_000) });
    const digest = { high: 0, low: 0 };
    await storage.state
      .beginCheckpoint()
      .commit({ index: 500, term: 1, logTimeMs: 0, configuration: new Uint8Array(0), digest });
    await storage.log.compact(401);
    await storage.log.append({
      hardState: { term: 2, votedFor: undefined },
      truncateFrom: 560,
      entries: commands(560, 640, 2, 100_000),
    });
    await storage.close();
    storage = await open(directory);
    const recovered = storage.takeRecovered();
    expect(recovered).toMatchObject({ firstIndex: 401, lastIndex: 640, prevTerm: 1 });
    expect(recovered.termRuns).toEqual([
      { index: 401, term: 1 },
      { index: 560, term: 2 },
    ]);
    const read = await storage.log.read(558, 561, 1e6);
    expect(brief(read)).toBe('558@1 559@1 560@2 561@2');
    expect(Buffer.compare((read[3] as Entry).data, command(561, 2, 100_000).data)).toBe(0);
    await storage.close();
  });
});
