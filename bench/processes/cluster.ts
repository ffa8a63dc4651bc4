import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PeerLimits } from '../../src/config/limits.ts';
import type { SchedulerLimits } from '../../src/scheduler/limits.ts';
import type { FromProcess, ToProcess } from './messages.ts';

/** A forked process of the bench. */
export class BenchProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  #failed: Error | undefined;
  #reject: ((error: Error) => void) | undefined;

  constructor(name: string, module: string, args: readonly string[]) {
    this.name = name;
    const file = fileURLToPath(new URL(`./${module}.js`, import.meta.url));
    // `--cpu-prof` and the like go to every process where whoever runs the bench asks for them.
    this.#child = fork(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('exit', (code) => {
      if (code === 0) return;
      this.#failed = new Error(`${name} ended with status ${code}`);
      this.#reject?.(this.#failed);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(message: ToProcess): void {
    this.#child.send(message);
  }

  onMessage(listener: (message: FromProcess) => void): void {
    this.#child.on('message', listener);
  }

  /** The next message of `type`. @throws when the process ends before */
  next<Type extends FromProcess['type']>(type: Type): Promise<Extract<FromProcess, { type: Type }>> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed);
      this.#reject = reject;
      const listener = (message: FromProcess): void => {
        if (message.type !== type) return;
        this.#child.off('message', listener);
        resolve(message as Extract<FromProcess, { type: Type }>);
      };
      this.#child.on('message', listener);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.send({ type: 'stop' } satisfies ToProcess);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }
}

/** Three peers, each a process with a data directory of its own, on loopback. */
export interface BenchCluster {
  readonly peers: readonly BenchProcess[];
  /** Starts a peer anew that was stopped. */
  restart(at: number): Promise<BenchProcess>;
  readonly urls: string;
  /** The file system under the data directories, or `unknown`. */
  readonly fileSystem: string;
  stop(): Promise<void>;
}

/** Magic numbers of statfs(2) of file systems that one meets. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlayfs',
  0x2fc12fc1: 'zfs',
};

/** Starts three peers with their data under `directory`, with the default bounds but for `limits` and, of the state, `schedulerLimits`. */
export async function startCluster(
  directory: string,
  limits: Partial<PeerLimits> = {},
  schedulerLimits: Partial<SchedulerLimits> = {},
): Promise<BenchCluster> {
  const root = mkdtempSync(path.join(directory, 'taskraft-bench-'));
  const ports = await freePorts(6);
  const members = [0, 1, 2].map((at) => ({
    id: `p${at + 1}`,
    peer: `127.0.0.1:${ports[at * 2]}`,
    client: `127.0.0.1:${ports[at * 2 + 1]}`,
  }));
  const config = path.join(root, 'cluster.json');
  writeFileSync(config, JSON.stringify({ clusterId: 'bench', members }));
  const begin = (id: string): BenchProcess =>
    new BenchProcess(id, 'peer', [
      config,
      id,
      path.join(root, id),
      JSON.stringify(limits),
      JSON.stringify(schedulerLimits),
    ]);
  const peers = members.map(({ id }) => begin(id));
  await Promise.all(peers.map((peer) => peer.next('ready')));
  return {
    peers,
    async restart(at) {
      const peer = begin((members[at] as { id: string }).id);
      peers[at] = peer;
      await peer.next('ready');
      return peer;
    },
    urls: members.map((member) => `ws://${member.client}`).join(','),
    fileSystem: FILE_SYSTEMS[statfsSync(root).type] ?? 'unknown',
    async stop() {
      for (const peer of peers) await peer.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  // Closed only when all are known, so that none is given twice.
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
