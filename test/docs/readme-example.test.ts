import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { SILENT_LOGGER } from '../../src/base/logger.ts';
import { type Member, startMember } from '../../src/cli/member.ts';
import { loadConfig } from '../../src/config/config.ts';
import { peerConfig } from '../../src/config/peer-config.ts';
import { freePorts } from '../system/free-ports.ts';

const root = path.resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'taskraft-readme-example-'));
const members: Member[] = [];
let url = '';

beforeAll(async () => {
  const ports = await freePorts(6);
  const file = ['p1', 'p2', 'p3'].map((id, at) => ({
    id,
    peer: `127.0.0.1:${ports[2 * at]}`,
    client: `127.0.0.1:${ports[2 * at + 1]}`,
  }));
  url = `ws://127.0.0.1:${ports[1]}`;
  members.push(...(await Promise.all(file.map(({ id }) => start(id, { clusterId: 'readme', members: file })))));
});

afterAll(async () => {
  for (const member of members) await member.stop();
  rmSync(folder, { recursive: true });
});

test('the example of the README runs against three real peers, as it stands there', async () => {
  const page = readFileSync(path.join(root, 'README.md'), 'utf8');
  const [, example = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  expect(example.split('\n').length).toBeLessThanOrEqual(30);
  expect(example).toContain("'taskraft'");
  expect(example).toContain('ws://127.0.0.1:7400');
  const file = path.join(folder, 'example.ts');
  const entry = pathToFileURL(path.join(root, 'src/index.ts')).href;
  writeFileSync(file, example.replace("'taskraft'", `'${entry}'`).replace('ws://127.0.0.1:7400', url));
  const said: unknown[][] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => said.push(words));
  try {
    await import(/* @vite-ignore */ pathToFileURL(file).href);
  } finally {
    log.mockRestore();
  }
  expect(said.at(-1)).toEqual(['result', { words: 6 }]);
});

async function start(id: string, cluster: unknown): Promise<Member> {
  const loaded = loadConfig(JSON.stringify(cluster));
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const own = peerConfig(loaded.config, id, path.join(folder, id));
  if (!own.ok) throw new Error(own.problem);
  return startMember({
    cluster: loaded.config,
    config: own.config,
    peerSecret: undefined,
    clientToken: undefined,
    logger: SILENT_LOGGER,
    onHalted: (reason) => {
      throw new Error(`${id} halted: ${reason}`);
    },
  });
}
