/** `taskraft dev`: a whole cluster on this computer, for whoever writes clients and workers. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { loadConfig } from '../../config/config.ts';
import { Client } from '../../index.ts';
import { describeCause } from '../../storage/failure-latch.ts';
import { makeDirectories } from '../../storage/make-directories.ts';
import { onStopSignals } from '../../system/signals.ts';
import { CliError, EXIT } from '../exit.ts';
import {
  clientUrls,
  freePorts,
  type LocalCluster,
  memberArguments,
  startLocalMember,
  writeLocalCluster,
} from '../local-cluster.ts';
import { formatTable } from '../output.ts';
import { describeEnd, type OwnProcess } from '../own-process.ts';
import { wholeNumber } from '../parse.ts';

interface DevFlags {
  readonly peers?: number;
  readonly data?: string;
  readonly port?: number;
}

const PEERS_DEFAULT = 3;
const PEERS_ALLOWED: readonly number[] = [1, 3, 5, 7];
const PORT_DEFAULT = 7400;
/** For a first leader, with all peers on one busy computer. */
const FIRST_LEADER_TIMEOUT_MS = 30_000;

/** The command `dev`. */
export function devCommand(): Command {
  return new Command('dev')
    .description('run a whole cluster on this computer, for development')
    .option('--peers <n>', `1, 3, 5 or 7 (default: ${PEERS_DEFAULT})`, wholeNumber)
    .option('--data <dir>', 'keep the data here (default: a temporary directory that goes at the end)')
    .option(
      '--port <n>',
      `first of two ports a peer, 0 for any that are free (default: ${PORT_DEFAULT}, or those of the data)`,
      wholeNumber,
    )
    .addHelpText('after', '\nExample:\n  taskraft dev --data ./taskraft-dev')
    .action(run);
}

async function run(flags: DevFlags): Promise<void> {
  if (flags.peers !== undefined && !PEERS_ALLOWED.includes(flags.peers)) {
    throw new CliError('USAGE', `a cluster for development has ${PEERS_ALLOWED.join(', ')} peers`, EXIT.usage);
  }
  const directory =
    flags.data === undefined ? mkdtempSync(path.join(tmpdir(), 'taskraft-dev-')) : path.resolve(flags.data);
  const processes: OwnProcess[] = [];
  let stopping = false;
  const stopped = new Promise<void>((resolve) => {
    onStopSignals({
      stop: (signal) => {
        process.stderr.write(`\n${signal}: stopping the peers\n`);
        stopping = true;
        resolve();
      },
      force: () => {
        for (const one of processes) one.kill('SIGKILL');
        resolve();
      },
    });
  });
  try {
    const cluster = await prepare(directory, flags);
    for (const member of cluster.members) {
      processes.push(startLocalMember(cluster, member, (text) => process.stderr.write(text)));
    }
    const up = await Promise.race([stopped.then(() => false), allReady(cluster, processes).then(() => true)]);
    if (!up) return;
    process.stdout.write(guide(cluster, processes, flags.data !== undefined));
    await Promise.race([stopped, allGone(cluster, processes, () => stopping)]);
  } finally {
    await Promise.all(processes.map((one) => one.stop()));
    if (flags.data === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

/** The cluster in `directory`: the one that is there, or a new one. */
async function prepare(directory: string, flags: DevFlags): Promise<LocalCluster> {
  const before = readBefore(directory);
  const count = flags.peers ?? before?.peers ?? PEERS_DEFAULT;
  if (before !== undefined && before.peers !== count) {
    const message = `${directory} holds a cluster of ${before.peers}: start it with --peers ${before.peers}, or give another --data`;
    throw new CliError('USAGE', message, EXIT.usage);
  }
  const ports = await portsOf(directory, flags.port, before?.ports, count);
  tryIn(directory, () => makeDirectories(directory));
  return writeLocalCluster(directory, before?.clusterId ?? `dev-${randomBytes(4).toString('hex')}`, ports);
}

/** Two ports a peer. Peers that have met know each other by their ports, so those stay. */
async function portsOf(
  directory: string,
  port: number | undefined,
  before: readonly number[] | undefined,
  count: number,
): Promise<readonly number[]> {
  if (before !== undefined && (port === undefined || port === 0)) return before;
  const first = port ?? PORT_DEFAULT;
  if (first !== 0 && first + 2 * count > 65_536) {
    throw new CliError('USAGE', `there are no ${2 * count} ports from ${first} on`, EXIT.usage);
  }
  const ports = first === 0 ? await freePorts(2 * count) : Array.from({ length: 2 * count }, (_, at) => first + at);
  if (before !== undefined && ports.some((one, at) => one !== before[at])) {
    const message = `the peers in ${directory} know each other by the ports ${before.join(', ')}: leave --port away`;
    throw new CliError('USAGE', message, EXIT.usage);
  }
  return ports;
}

/** A cluster that ran in a directory. */
interface ClusterBefore {
  readonly clusterId: string;
  readonly peers: number;
  /** For clients and for peers, in turn. */
  readonly ports: readonly number[];
}

function readBefore(directory: string): ClusterBefore | undefined {
  const file = path.join(directory, 'cluster.json');
  if (!existsSync(file)) {
    if (!existsSync(directory) || tryIn(directory, () => readdirSync(directory)).length === 0) return undefined;
    const message = `${directory} is not empty and holds no cluster of "taskraft dev": give another --data`;
    throw new CliError('USAGE', message, EXIT.usage);
  }
  const loaded = loadConfig(readFileSync(file, 'utf8'));
  if (loaded.ok) {
    const { clusterId, members } = loaded.config;
    return { clusterId, peers: members.length, ports: members.flatMap(({ client, peer }) => [client.port, peer.port]) };
  }
  throw new CliError('INVALID_CONFIG', `${file} cannot be used: ${loaded.problems.join(' ')}`, EXIT.usage);
}

/** @throws CliError DATA_DIR_UNUSABLE instead of what the file system throws */
function tryIn<Result>(directory: string, use: () => Result): Result {
  try {
    return use();
  } catch (error) {
    const message = `${directory} cannot be used: ${describeCause(error)}. Give another --data.`;
    throw new CliError('DATA_DIR_UNUSABLE', message);
  }
}

/** Fulfilled when all listen and there is a leader. @throws CliError when a peer ends before */
async function allReady(cluster: LocalCluster, processes: readonly OwnProcess[]): Promise<void> {
  const failures = processes.map(async (one) => {
    const end = await one.ended;
    const why = one.lastWords.trim().split('\n').at(-1) ?? '';
    throw new CliError('PEER_FAILED', `${one.name} ${describeEnd(end)} before the cluster was up: ${why}`);
  });
  const leader = Promise.all(processes.map((one) => one.ready)).then(async () => {
    const client = await Client.connect({ urls: clientUrls(cluster), timeoutMs: FIRST_LEADER_TIMEOUT_MS });
    // A read needs a leader and a majority that follows it.
    try {
      await client.list({ limit: 1 });
    } finally {
      await client.close();
    }
  });
  leader.catch(() => {});
  await Promise.race([leader, ...failures]);
}

/** Says of each peer that ends that it did; rejected when none is left. Nothing is started again unasked. */
async function allGone(
  cluster: LocalCluster,
  processes: readonly OwnProcess[],
  expected: () => boolean,
): Promise<never> {
  await Promise.all(
    processes.map(async (one, at) => {
      const end = await one.ended;
      const member = cluster.members[at];
      if (member === undefined || expected()) return;
      const again = [thisProgram(), ...memberArguments(cluster, member)].join(' ');
      process.stderr.write(`${one.name} ${describeEnd(end)}. To start it again, in another terminal:\n  ${again}\n`);
    }),
  );
  throw new CliError('PEER_FAILED', 'no peer is left');
}

function guide(cluster: LocalCluster, processes: readonly OwnProcess[], keepsData: boolean): string {
  const program = thisProgram();
  const rows = cluster.members.map((member, at) => ({ ...member, pid: processes[at]?.pid ?? 0 }));
  const table = formatTable(
    [
      { title: 'PEER', of: (one) => one.id },
      { title: 'CLIENTS CONNECT TO', of: (one) => `ws://${one.client}` },
      { title: 'PROCESS', of: (one) => one.pid, align: 'right' },
      { title: 'DATA', of: (one) => one.dataDirectory },
    ],
    rows,
  );
  const kept = keepsData
    ? 'The data stays when this ends, and is taken up again by the same command.'
    : 'The data goes when this ends; start with --data DIR to keep it.';
  return `
A cluster of ${rows.length} is up. It asks for no credentials, and only this computer reaches it.

${table}
What to do next, in another terminal:

  export TASKRAFT_URL=${clientUrls(cluster).join(',')}
  ${program} worker run --allow-exec &
  ${program} task submit --type shell --payload '{"argv":["echo","hello"]}' --wait
  ${program} task list
  ${program} cluster status
${rows.length < 3 ? '' : `  kill -9 ${rows[0]?.pid}   # one peer less: everything goes on\n`}
${kept} Ctrl-C ends it.
`;
}

/** How this program is called in a shell, from where the caller is now. */
function thisProgram(): string {
  const file = process.argv[1] ?? 'taskraft';
  if (path.basename(file) === 'taskraft') return 'taskraft';
  const relative = path.relative(process.cwd(), file);
  return `node ${relative.startsWith('..') ? file : relative}`;
}
