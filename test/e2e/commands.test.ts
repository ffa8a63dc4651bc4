import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { Program, type Ran, type RunOptions, taskraft } from './support/program.ts';

let dev: Program;
let worker: Program;
let rival: Program;
let environment: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  dev = new Program(['dev', '--port', '0', '--peers', '3']);
  await dev.said('Ctrl-C ends it.');
  environment = { TASKRAFT_URL: /TASKRAFT_URL=(\S+)/.exec(dev.stdout)?.[1] ?? '' };
  worker = new Program(['worker', 'run', '--allow-exec', '--id', 'builder', '--label', 'zone=a', '--slots', '2'], {
    environment,
  });
  await worker.said('attached');
  rival = new Program(['worker', 'run', '--allow-exec', '--id', 'builder'], { environment });
});
afterAll(async () => {
  for (const one of [worker, rival]) if (one.child.exitCode === null) await one.stop();
  if (dev.child.exitCode === null) await dev.stop();
});

function run(...args: readonly string[]): Promise<Ran> {
  return taskraft(args, { environment });
}

/** Runs with `-o json`: the value on standard output, which holds nothing else. */
async function json(...args: readonly string[]): Promise<{ readonly status: number | null; readonly value: unknown }> {
  const { status, stdout } = await run(...args, '-o', 'json');
  return { status, value: JSON.parse(stdout) };
}

async function submit(...args: readonly string[]): Promise<string> {
  const { value } = await json('task', 'submit', '--type', 'shell', ...args);
  return (value as { id: string }).id;
}

const ECHO = '{"argv":["echo","hello"]}';
const FAIL = '{"shell":"echo broken >&2; exit 7"}';
const NEVER: readonly string[] = ['--require', 'zone=nowhere'];

describe('dev', () => {
  test('says where the peers are, and commands that work as they stand', async () => {
    expect(dev.stdout).toMatch(
      /PEER +CLIENTS CONNECT TO +PROCESS +DATA\n(p\d +ws:\/\/127\.0\.0\.1:\d+ +\d+ +\/\S+\n){3}/,
    );
    const commands = dev.stdout.split('\n').filter((line) => line.startsWith('  node '));
    expect(commands.length).toBe(4);
    expect(commands.at(-1)).toMatch(/main\.js cluster status$/);
  });

  test('wrong numbers of peers and ports are refused', async () => {
    for (const args of [
      ['--peers', '2'],
      ['--peers', 'x'],
      ['--port', '65535'],
      ['--prot', '1'],
    ]) {
      expect((await taskraft(['dev', ...args])).status).toBe(2);
    }
  });
});

describe('task', () => {
  test('submit prints the id, and with --wait the result', async () => {
    const { status, stdout } = await run('task', 'submit', '--type', 'shell', '--payload', ECHO);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^id +\S+\ndeduplicated +no\n$/)]);
    const waited = await json('task', 'submit', '--type', 'shell', '--payload', ECHO, '--wait');
    const result = { exitCode: 0, stdout: 'hello\n', stderr: '', truncated: false };
    expect(waited).toEqual({ status: 0, value: { id: expect.any(String), state: 'done', result } });
  });

  test('submit reads a payload from standard input, and runs with a given key once', async () => {
    const options: RunOptions = { environment, input: '{"argv":["echo","from stdin"]}' };
    const args = ['task', 'submit', '--type', 'shell', '--payload-file', '-', '--key', 'k1', '--wait'];
    expect((await taskraft(args, options)).stdout).toContain('from stdin\\n');
    const again = await json('task', 'submit', '--type', 'shell', '--payload', options.input ?? '', '--key', 'k1');
    expect(again.value).toMatchObject({ deduplicated: true });
    const other = await json('task', 'submit', '--type', 'shell', '--payload', ECHO, '--key', 'k1');
    expect(other).toMatchObject({ status: 5, value: { error: { code: 'KEY_CONFLICT', retryable: false } } });
  });

  test('a payload over the limit is refused before anything is sent', async () => {
    const input = JSON.stringify({ argv: ['true', 'x'.repeat(300 * 1024)] });
    const args = ['task', 'submit', '--type', 'shell', '--payload-file', '-', '-o', 'json'];
    const { status, stdout } = await taskraft(args, { environment, input });
    expect([status, JSON.parse(stdout)]).toMatchObject([2, { error: { code: 'PAYLOAD_TOO_LARGE' } }]);
  });

  test('a task that fails ends submit --wait and wait with status 1 and its error', async () => {
    const failing = ['--payload', FAIL, '--max-attempts', '1'];
    const { status, stdout, stderr } = await run('task', 'submit', '--type', 'shell', ...failing, '--wait');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^t\S+ is submitted: waiting for its end\nerror: The task failed: .*exit status 7: broken.*\(TASK_FAILED\)\n$/,
    );
    const id = await submit(...failing);
    const waited = await json('task', 'wait', id);
    expect(waited).toMatchObject({ status: 1, value: { error: { code: 'TASK_FAILED' } } });
  });

  test('a payload that is no command fails at once, whatever attempts there are', async () => {
    const { status, stderr } = await run('task', 'submit', '--type', 'shell', '--payload', '{"cmd":"x"}', '--wait');
    expect([status, stderr]).toEqual([1, expect.stringContaining('the payload is {"argv"')]);
  });

  test('get shows a task, list pages of them, history what happened', async () => {
    const id = await submit('--payload', ECHO, '--queue', 'shown', '--priority', '2', '--header', 'trace=1');
    expect((await json('task', 'wait', id)).status).toBe(0);
    const task = await json('task', 'get', id);
    expect(task).toMatchObject({
      status: 0,
      value: { id, type: 'shell', queue: 'shown', state: 'done', priority: 2, deliveries: 1 },
    });
    expect((await run('task', 'get', id)).stdout).toMatch(
      new RegExp(`^id +${id}\ntype +shell\nqueue +shown\nstate +done\n`),
    );
    await submit('--payload', ECHO, '--queue', 'shown');
    const page = await json('task', 'list', '--queue', 'shown', '--limit', '1');
    expect(page).toMatchObject({ status: 0, value: { tasks: [{ queue: 'shown' }], cursor: expect.any(String) } });
    const { cursor } = page.value as { cursor: string };
    expect((await json('task', 'list', '--queue', 'shown', '--cursor', cursor)).value).toMatchObject({
      tasks: [{ id }],
    });
    expect((await run('task', 'list', '--queue', 'none-such')).stdout).toMatch(/^ID +TYPE +QUEUE +STATE .*\n$/);
    await submit('--payload', ECHO, '--queue', 'later', '--delay', '30d');
    expect((await run('task', 'list', '--queue', 'later')).stdout).toMatch(/RUNS AT\n.* scheduled .*Z {2}20\S+Z\n$/);
    const history = await json('task', 'history', id);
    const events = (history.value as { history: { event: string }[] }).history.map(({ event }) => event);
    expect(events).toEqual(['submitted', 'started', 'done']);
    expect((await run('task', 'history', id)).stdout).toMatch(/^WHEN +AFTER +EVENT +ATTEMPT +BY +REASON\n/);
  });

  test('cancel ends a waiting task, and finds an ended one as it is', async () => {
    const id = await submit('--payload', ECHO, ...NEVER);
    expect(await json('task', 'cancel', id)).toEqual({ status: 0, value: { id, outcome: 'cancelled' } });
    expect(await json('task', 'cancel', id)).toEqual({ status: 5, value: { id, outcome: 'ALREADY_FINAL' } });
    expect((await json('task', 'get', id)).value).toMatchObject({ state: 'cancelled' });
  });

  test('cancel ends a running command by its signal', async () => {
    const id = await submit('--payload', '{"argv":["sleep","300"]}');
    const states = async (): Promise<unknown> => ((await json('task', 'get', id)).value as { state: string }).state;
    while ((await states()) !== 'running');
    expect((await json('task', 'cancel', id)).value).toEqual({ id, outcome: 'cancelling' });
    expect(await json('task', 'wait', id)).toMatchObject({ status: 1, value: { error: { code: 'TASK_CANCELLED' } } });
  });

  test('a wait gives up after its time, and the task goes on', async () => {
    const id = await submit('--payload', ECHO, ...NEVER);
    expect(await json('task', 'wait', id, '--wait-timeout', '50ms')).toMatchObject({
      status: 6,
      value: { error: { code: 'TIMEOUT', retryable: true } },
    });
    expect((await json('task', 'get', id)).value).toMatchObject({ state: 'pending' });
    await run('task', 'cancel', id);
  });

  test('what is not there is not found', async () => {
    const id = await submit('--payload', ECHO);
    // One far behind the last: same cluster, a number that was not given yet.
    const missing = await json('task', 'get', await idAfter(id));
    expect(missing).toMatchObject({ status: 3, value: { error: { code: 'NOT_FOUND' } } });
    expect((await run('task', 'get', 'nonsense')).status).toBe(2);
  });
});

describe('queue, worker, cluster', () => {
  test('queue list counts', async () => {
    await submit('--payload', ECHO, '--queue', 'counted', '--wait');
    const { value } = await json('queue', 'list');
    const queues = (value as { queues: { name: string }[] }).queues;
    expect(queues.find((queue) => queue.name === 'counted')).toMatchObject({ counts: { done: 1 }, submittedTotal: 1 });
    expect((await run('queue', 'list')).stdout).toMatch(/^QUEUE +SCHEDULED .*\n(.*\n)*counted +0 +0 +0 +0 +1 /);
  });

  test('worker list shows it, drain empties it, resume brings it back', async () => {
    const line = async (): Promise<unknown> =>
      ((await json('worker', 'list')).value as { workers: unknown[] }).workers[0];
    const online = {
      worker: 'builder',
      state: 'online',
      types: ['shell'],
      labels: { zone: 'a' },
      slots: 2,
      running: 0,
    };
    expect(await line()).toMatchObject(online);
    expect(await json('worker', 'drain', 'builder', '--deadline', '1s')).toMatchObject({ status: 0 });
    expect(await line()).toMatchObject({ state: 'draining' });
    const id = await submit('--payload', ECHO);
    expect((await json('task', 'get', id)).value).toMatchObject({ state: 'pending' });
    expect((await run('worker', 'resume', 'builder')).stdout).toBe('builder takes tasks again\n');
    expect((await json('task', 'wait', id)).status).toBe(0);
    expect((await run('worker', 'list')).stdout).toMatch(
      /^WORKER +STATE +RUNNING .*\nbuilder +online +0\/2 +0 +shell +zone=a /,
    );
    expect(await json('worker', 'drain', 'none-such')).toMatchObject({
      status: 3,
      value: { error: { code: 'NOT_FOUND' } },
    });
  });

  test('a second worker of the same name is refused while the first lives', async () => {
    // Started with the first one: it asks for as long as that could be the rest of a worker which has crashed.
    const { status } = await rival.ended;
    expect([status, rival.stderr]).toEqual([5, expect.stringContaining('(WORKER_ID_IN_USE)')]);
  });

  test('a worker runs commands only when that is allowed', async () => {
    const { status, stderr } = await run('worker', 'run');
    expect([status, stderr]).toEqual([2, expect.stringContaining('--allow-exec')]);
    const secret = await run('worker', 'run', '--allow-exec', '--env', 'TASKRAFT_TOKEN');
    expect([secret.status, secret.stderr]).toEqual([2, expect.stringContaining('not handed to commands')]);
  });

  test('cluster status shows a peer that is down, and how far it is behind', async () => {
    const own = await TestCluster.make();
    onTestFinished(() => own.end());
    await own.start();
    const at = ['--url', own.urls.join(',')];
    expect((await run('task', 'submit', '--type', 'later', ...at)).status).toBe(0);
    await own.kill(['p2']);
    expect((await run('task', 'submit', '--type', 'later', ...at)).status).toBe(0);
    const { value } = await json('cluster', 'status', ...at);
    const { peers } = value as { peers: readonly { peer: string }[] };
    const down = { peer: 'p2', error: { code: 'UNAVAILABLE' }, heldBackBytes: expect.any(Number) };
    expect(peers.find(({ peer }) => peer === 'p2')).toMatchObject(down);
    const table = await run('cluster', 'status', ...at);
    expect(table.stdout).toMatch(/\np2 +ws:\S+ +UNAVAILABLE /);
    expect(table.stderr).toMatch(/^p2 has not got the last .*B of log\n$/);
    await own.kill(['p1']);
    // A leader that no majority answers knows it after an election timeout.
    while ((await json('cluster', 'status', ...at)).status !== 6);
  });

  test('cluster status shows every peer, one leader, and their digests', async () => {
    const { status, value } = await json('cluster', 'status');
    const { peers } = value as { peers: { peer: string; role: string; state: string }[] };
    expect(status).toBe(0);
    expect(peers.map(({ peer }) => peer).sort((one, other) => (one < other ? -1 : 1))).toEqual(['p1', 'p2', 'p3']);
    expect(peers.filter(({ role }) => role === 'leader').length).toBe(1);
    expect((await run('cluster', 'status')).stdout).toMatch(
      /^PEER +URL +STATE +VOTES +ROLE +TERM .*\n(p\d +ws:\/\/.*\n){3}$/,
    );
  });
});

describe('usage', () => {
  test('wrong usage is said on standard error alone, with the near miss', async () => {
    const { status, stdout, stderr } = await run('task', 'sbmit');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe("error: unknown command 'sbmit' (Did you mean submit?) (USAGE)\n");
  });

  test('errors are objects on standard output where JSON is asked for', async () => {
    const { status, stdout } = await run('task', 'submit', '--tpye', 'x', '-o', 'json');
    const error = { code: 'USAGE', message: "unknown option '--tpye' (Did you mean --type?)", retryable: false };
    expect([status, JSON.parse(stdout)]).toEqual([2, { error }]);
  });

  test('a cluster that is not there is unavailable', async () => {
    const { status, value } = await json('task', 'list', '--url', 'ws://127.0.0.1:9', '--timeout', '200ms');
    expect([status, value]).toMatchObject([6, { error: { code: 'UNAVAILABLE', retryable: true } }]);
  });

  test('help and version are results, a noun alone is not', async () => {
    expect(await run('--version')).toMatchObject({ status: 0, stdout: '0.1.0\n', stderr: '' });
    expect(await run('task', '--help')).toMatchObject({ status: 0, stderr: '' });
    expect(await run('task')).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('the end', () => {
  test('a worker that is asked to stop finishes what it runs', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'taskraft-gate-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const gate = path.join(directory, 'open');
    const shell = `while [ ! -e ${gate} ]; do sleep 0.05; done; echo finished`;
    const id = await submit('--payload', JSON.stringify({ shell }));
    while (((await json('task', 'get', id)).value as { state: string }).state !== 'running');
    // Else it would take the name over.
    if (rival.child.exitCode === null) await rival.stop();
    worker.kill('SIGTERM');
    await worker.said('finishing what runs');
    writeFileSync(gate, '');
    expect(await worker.ended).toEqual({ status: 0, signal: null });
    expect((await json('task', 'get', id)).value).toMatchObject({ state: 'done', result: { stdout: 'finished\n' } });
    expect((await json('worker', 'list')).value).toEqual({ workers: [] });
  });

  test('dev that is asked to stop leaves neither a process nor a file', async () => {
    const rows = [...dev.stdout.matchAll(/^p\d +ws:\S+ +(\d+) +(\S+)$/gm)];
    expect(rows.length).toBe(3);
    expect(rows.every(([, , data = '']) => existsSync(data))).toBe(true);
    expect(await dev.stop()).toBe(0);
    for (const [, pid, data = ''] of rows) {
      expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
      expect(existsSync(data)).toBe(false);
    }
    expect(dev.stderr).toBe('\nSIGTERM: stopping the peers\n');
  });
});

/** The id of a task that is not there: a later number of the same cluster. */
async function idAfter(id: string): Promise<string> {
  const { formatTaskId, parseTaskId } = await import('../../src/protocol/task-id.ts');
  const parts = parseTaskId(id);
  if (parts === undefined) throw new Error(`${id} is no id`);
  return formatTaskId(parts.group, parts.epoch, parts.number + 1_000_000);
}
