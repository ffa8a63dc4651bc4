import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Client } from '../../src/index.ts';
import { TestCluster, untilStatus } from './support/cluster.ts';
import { Program, taskraft } from './support/program.ts';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await TestCluster.make(1);
});
afterEach(() => cluster.end());

/** What `taskraft server` says and its status, when it does not come up. */
async function refusal(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const { status, stderr } = await taskraft(['server', ...args], { environment, directory: cluster.directory });
  return `${status} ${stderr
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n')}`;
}

/** The arguments that start the only peer. */
function start(...more: readonly string[]): readonly string[] {
  return ['--config', cluster.configFile, '--peer', 'p1', '--data', cluster.dataOf('p1'), ...more];
}

function writeConfig(config: unknown): string {
  const file = path.join(cluster.directory, 'other.json');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  return file;
}

describe('configuration', () => {
  test('a file that is not there, is no JSON, or is wrong in several ways', async () => {
    expect(await refusal(['--config', 'no.json', '--peer', 'p1'])).toMatch(/^2 error: .*no\.json.*\(INVALID_CONFIG\)/);
    expect(await refusal(['--config', writeConfig('{"a":'), '--peer', 'p1'])).toMatch(/^2 error: .*not JSON/s);
    const wrong = writeConfig({
      clusterId: 'c',
      membrs: [],
      members: [
        { id: 'p1', peer: '10.0.0.1:99999', client: '10.0.0.1:7400' },
        { id: 'p1', peer: '127.0.0.1:7401', client: '127.0.0.1:7402' },
      ],
      timings: { heartbeatMs: 400 },
    });
    const said = await refusal(['--config', wrong, '--peer', 'p1']);
    for (const part of [
      'membrs',
      'Did you mean "members"',
      'a port is a number',
      'another member has too',
      'electionTimeoutMs',
    ]) {
      expect(said).toContain(part);
    }
    expect(said.split('\n  - ').length).toBeGreaterThan(4);
  });

  test('a peer that is no member, with the one that was probably meant', async () => {
    expect(await refusal(['--config', cluster.configFile, '--peer', 'p2'])).toMatch(/^2 error: "p2" is no member/);
    expect(await refusal(['--config', cluster.configFile, '--peer', 'pl1'])).toContain('Did you mean "p1"?');
  });

  test('the example of the project is complete, and refuses to start without its secrets', async () => {
    const example = path.resolve(import.meta.dirname, '../../cluster.example.json');
    expect(await refusal(['--config', example, '--peer', 'p2'])).toMatch(
      /^1 error: the secret for peers cannot be read from .*UNREADABLE/,
    );
  });
});

describe('open to the network', () => {
  const SECRET = 'a-secret-of-peers-in-a-test';
  const TOKEN = 'a-token-of-clients-in-a-test';

  function openConfig(): string {
    const [member] = cluster.members;
    const listen = { peer: `0.0.0.0:${member?.peer.split(':')[1]}`, client: `0.0.0.0:${member?.client.split(':')[1]}` };
    return writeConfig({ clusterId: 'test', members: [{ ...member, listen }] });
  }

  test('nothing but loopback starts without a secret, a token and the word that plain text is accepted', async () => {
    const args = ['--config', openConfig(), '--peer', 'p1', '--data', cluster.dataOf('p1')];
    const said = await refusal(args);
    expect(said).toMatch(
      /^2 error: .*\n  - .*peer secret.*\n  - .*client token.*\n  - .*--accept-plaintext.*\(UNSAFE\)/,
    );
    const secrets = { TASKRAFT_PEER_SECRET: SECRET, TASKRAFT_CLIENT_TOKEN: TOKEN };
    expect(await refusal(args, secrets)).toMatch(/^2 error: .*\n  - [^\n]*--accept-plaintext/);
    expect(await refusal([...args, '--accept-plaintext'], { TASKRAFT_PEER_SECRET: SECRET })).toMatch(
      /\n  - [^\n]*client token/,
    );
    expect(existsSync(cluster.dataOf('p1'))).toBe(false);
  });

  test('secrets that are short, or that others can read, are refused and never said', async () => {
    const file = path.join(cluster.directory, 'secret');
    writeFileSync(file, SECRET, { mode: 0o644 });
    const args = start('--peer-secret-file', file);
    expect(await refusal(args)).toMatch(/^1 error: .*chmod 600/);
    const said = await refusal(start(), { TASKRAFT_CLIENT_TOKEN: 'too-short' });
    expect(said).toMatch(/^1 error: .*20 to/);
    expect(said).not.toContain('too-short');
  });

  test('clients need the token, and get one that fits from a file or the environment', async () => {
    const server = new Program(['server', ...start('--accept-plaintext')], {
      environment: { TASKRAFT_PEER_SECRET: SECRET, TASKRAFT_CLIENT_TOKEN: TOKEN },
    });
    try {
      await server.said('"msg":"listening"');
      const file = path.join(cluster.directory, 'token');
      writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
      const list = ['task', 'list', '--url', cluster.urls.join(','), '-o', 'json'];
      const without = await taskraft(list);
      expect([without.status, JSON.parse(without.stdout)]).toMatchObject([
        4,
        { error: { code: 'UNAUTHORIZED', retryable: false } },
      ]);
      expect((await taskraft(list, { environment: { TASKRAFT_TOKEN: 'another-token-of-a-test' } })).status).toBe(4);
      expect((await taskraft([...list, '--token-file', file])).status).toBe(0);
      expect((await taskraft(list, { environment: { TASKRAFT_TOKEN: TOKEN } })).status).toBe(0);
      expect(server.stderr).not.toContain(TOKEN);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });
});

describe('addresses', () => {
  test('a port in use is named, and the data directory is not touched', async () => {
    const [member] = cluster.members;
    for (const address of [member?.client, member?.peer]) {
      const [host = '', port = ''] = (address ?? '').split(':');
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(Number(port), host, resolve));
      expect(await refusal(start())).toMatch(
        new RegExp(`^1 error: ${address} is in use by another process.*EADDRINUSE`),
      );
      await new Promise((resolve) => other.close(resolve));
    }
  });
});

describe('data directories', () => {
  /** One peer that has run, taken some tasks and stopped. */
  async function stopped(): Promise<void> {
    await cluster.start();
    const client = await Client.connect({ urls: cluster.urls });
    for (let at = 0; at < 20; at += 1) await client.submit({ type: 'none', payload: `payload ${at} `.repeat(20) });
    await client.close();
    expect(await cluster.stop()).toEqual([0]);
  }

  test('nobody but the owner can look into one', async () => {
    await stopped();
    const modes = ['', 'log', 'state'].map((name) => statSync(path.join(cluster.dataOf('p1'), name)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o700, 0o700]);
    expect(statSync(path.join(cluster.dataOf('p1'), 'HEAD')).mode & 0o077).toBe(0);
  });

  test('of another cluster, of another peer', async () => {
    await stopped();
    const [member] = cluster.members;
    const foreign = writeConfig({ clusterId: 'elsewhere', members: [member] });
    const data = ['--data', cluster.dataOf('p1')];
    expect(await refusal(['--config', foreign, '--peer', 'p1', ...data])).toMatch(/^1 error: .*WRONG_CLUSTER/);
    const other = writeConfig({ clusterId: 'test', members: [{ ...member, id: 'p9' }] });
    expect(await refusal(['--config', other, '--peer', 'p9', ...data])).toMatch(
      /^1 error: .*belongs to peer "p1".*WRONG_PEER/,
    );
  });

  test('that another process has open', async () => {
    await cluster.start();
    const [member] = cluster.members;
    const elsewhere = await TestCluster.make(1);
    onTestFinished(() => elsewhere.end());
    const moved = writeConfig({ clusterId: 'test', members: [{ ...elsewhere.members[0], id: member?.id }] });
    const said = await refusal(['--config', moved, '--peer', 'p1', '--data', cluster.dataOf('p1')]);
    expect(said).toMatch(/^1 error: .*DATA_DIR_LOCKED/);
    expect(await cluster.stop()).toEqual([0]);
  });

  test('that holds something else', async () => {
    mkdirSync(cluster.dataOf('p1'));
    writeFileSync(path.join(cluster.dataOf('p1'), 'letter.txt'), 'dear');
    expect(await refusal(start())).toMatch(/^1 error: .*DATA_DIR_UNUSABLE/);
  });

  test('that is damaged: a flipped bit in the log, a cut and a deleted one, a deleted HEAD', async () => {
    await stopped();
    const data = cluster.dataOf('p1');
    const whole = `${data}-whole`;
    cpSync(data, whole, { recursive: true });
    const damages: readonly (readonly [name: string, harm: () => void, code: RegExp])[] = [
      ['flipped', () => flipIn(newestLog(data)), /LOG_DAMAGED|LOG_TAIL_LOST|META_DAMAGED|IDENTITY_DAMAGED/],
      [
        'cut',
        () => truncateSync(newestLog(data), Math.floor(statSync(newestLog(data)).size / 2)),
        /LOG_DAMAGED|LOG_TAIL_LOST|META_DAMAGED/,
      ],
      ['deleted', () => rmSync(newestLog(data)), /LOG_DAMAGED|LOG_TAIL_LOST|META_DAMAGED|IDENTITY_DAMAGED/],
      ['HEAD deleted', () => rmSync(path.join(data, 'HEAD')), /HEAD_DAMAGED/],
    ];
    for (const [name, harm, code] of damages) {
      rmSync(data, { recursive: true });
      cpSync(whole, data, { recursive: true });
      harm();
      const said = `${name}: ${await refusal(start())}`;
      expect(said).toMatch(
        /: 1 error: .*(Keep the directory as it is|Check the disk|A peer that is alone needs a copy)/,
      );
      expect(said).toMatch(code);
    }
    rmSync(data, { recursive: true });
    cpSync(whole, data, { recursive: true });
    await cluster.start();
    expect(await cluster.stop()).toEqual([0]);
  });
});

describe('three peers', () => {
  let three: TestCluster;
  beforeEach(async () => {
    three = await TestCluster.make(3, 'three');
  });
  afterEach(() => three.end());

  test('one that lost its data does not take part under its name before it may, and says what to do', async () => {
    await three.start();
    const client = await Client.connect({ urls: three.urls });
    await client.submit({ type: 'none' });
    await three.kill(['p2']);
    rmSync(three.dataOf('p2'), { recursive: true });
    await three.start(['p2']);
    const waits = await untilStatus(client, (all) =>
      all.some(
        ({ peer, alarms }) => peer === 'p2' && alarms.some((alarm) => alarm.includes('taskraft cluster replace p2')),
      ),
    );
    expect(waits.find(({ peer }) => peer === 'p2')).toMatchObject({ state: 'founding', role: 'follower' });
    const after = await client.submit({ type: 'none' });
    expect((await client.get(after.id)).id).toBe(after.id);
    await client.close();
  });

  test('one with a wrong secret is kept out, and the secret is never said', async () => {
    const secret = 'the-secret-of-these-three-peers';
    const right = { environment: { TASKRAFT_PEER_SECRET: secret } };
    const programs = [three.spawn('p1', [], right), three.spawn('p2', [], right)];
    const wrong = three.spawn('p3', [], { environment: { TASKRAFT_PEER_SECRET: 'another-secret-of-a-stranger' } });
    await Promise.all([...programs, wrong].map((program) => program.said('"msg":"listening"')));
    await Promise.race(programs.map((program) => program.said(/refused.*SECRET|SECRET.*refused/)));
    expect(await three.stop()).toEqual([0, 0, 0]);
    for (const program of [...programs, wrong]) {
      expect(program.stderr).not.toContain(secret);
      expect(program.stderr).not.toContain('"the cluster is founded"');
    }
  });

  test('whoever starts alone waits, and founds the cluster with the others', async () => {
    await three.start(['p1']);
    const client = await Client.connect({ urls: three.urls });
    await untilStatus(client, (peers) => peers.some((peer) => peer.peer === 'p1' && peer.state === 'founding'));
    await three.start(['p2', 'p3']);
    await client.submit({ type: 'none' });
    await client.close();
  });
});

/** The newest file into which LevelDB appends records of the Raft log. */
function newestLog(data: string): string {
  const files = readdirSync(path.join(data, 'log'))
    .filter((name) => name.endsWith('.log'))
    .sort((left, right) => (left < right ? -1 : 1));
  return path.join(data, 'log', files.at(-1) ?? '');
}

function flipIn(file: string): void {
  const bytes = readFileSync(file);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  writeFileSync(file, bytes);
}
