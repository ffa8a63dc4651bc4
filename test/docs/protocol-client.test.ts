import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../src/base/logger.ts';
import { type Member, startMember } from '../../src/cli/member.ts';
import { loadConfig } from '../../src/config/config.ts';
import { peerConfig } from '../../src/config/peer-config.ts';
import { freePorts } from '../system/free-ports.ts';
import { ProtocolClient } from './protocol-client.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'taskraft-protocol-client-'));
const urls: string[] = [];
const members: Member[] = [];

beforeAll(async () => {
  const ports = await freePorts(6);
  const peers = ['p1', 'p2', 'p3'].map((id, at) => {
    urls.push(`ws://127.0.0.1:${ports[2 * at + 1]}/v1/connect`);
    return { id, peer: `127.0.0.1:${ports[2 * at]}`, client: `127.0.0.1:${ports[2 * at + 1]}` };
  });
  members.push(...(await Promise.all(peers.map(({ id }) => start(id, { clusterId: 'protocol', members: peers })))));
});

afterAll(async () => {
  for (const member of members) await member.stop();
  rmSync(folder, { recursive: true });
});

describe('a client and a worker written from docs/PROTOCOL.md alone', () => {
  it('fit in a hundred lines, with a WebSocket and MessagePack and nothing of src', () => {
    const text = readFileSync(path.join(import.meta.dirname, 'protocol-client.ts'), 'utf8');
    expect(text.trimEnd().split('\n').length).toBeLessThan(100);
    const imports = [...text.matchAll(/ from '([^']+)'/g)].map((match) => match[1]);
    expect(imports).toEqual(['msgpackr', 'ws']);
  });

  it.each([0, 1, 2])(
    'submit, run and answer tasks on a real cluster, whichever peer they start at (%i)',
    async (at) => {
      const [worker, client] = [new ProtocolClient(), new ProtocolClient()];
      const url = urls[at] ?? '';
      try {
        await Promise.all([worker.connect(url), client.connect(url)]);
        await worker.work(`w${at}`, `double-${at}`, (payload) => ({ doubled: 2 * (payload as { n: number }).n }));
        const tasks = await Promise.all([1, 2, 3].map((n) => client.submit(`double-${at}`, { n })));
        const results = await Promise.all(tasks.map((task) => client.result(task)));
        expect(results).toEqual([2, 4, 6].map((doubled) => [5, { doubled }]));
      } finally {
        worker.close();
        client.close();
      }
    },
  );
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
