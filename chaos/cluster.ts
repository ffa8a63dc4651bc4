/**
 * A cluster of real peers: processes of the built program, each with a configuration, a data directory and a log of its own.
 * Here they are started, ended and looked at; what is done to them is up to the faults.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Operator } from '../src/client/operator.ts';
import { Client } from '../src/index.ts';
import type { StatusAnswerFrame } from '../src/protocol/server-frame.ts';
import { until } from './clock.ts';
import type { Network } from './network.ts';
import { PeerProcess } from './peer-process.ts';

/** What a peer is started with beside the usual, until it is changed. */
export interface PeerSetting {
  readonly prefix?: readonly string[];
  /** URL of a module that is loaded before the program. */
  readonly preload?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where a cluster lies. */
export interface ClusterOptions {
  /** An empty directory for everything that is written. */
  readonly directory: string;
  readonly network: Network;
  /** The founding members. */
  readonly ids: readonly string[];
  /** Environment of every process: secrets, where the network needs them. */
  readonly environment: Readonly<Record<string, string>>;
  /** Further arguments of every peer. */
  readonly arguments: readonly string[];
}

/** How a peer is by its own word. */
export type Status = StatusAnswerFrame;

const CLUSTER_ID = 'chaos';
/** How long a peer may take until it listens, and the cluster until it serves, in ms. Hosts are slow while others build on them. */
const PATIENCE_MS = 60_000;
/** How long one question of the run itself may take, in ms. */
const CLIENT_TIMEOUT_MS = 30_000;

/** See the head of this file. */
export class ChaosCluster {
  readonly directory: string;
  readonly network: Network;
  /** Ids of the members as they should be now. */
  readonly members: Set<string>;
  readonly #options: ClusterOptions;
  readonly #processes = new Map<string, PeerProcess>();
  readonly #settings = new Map<string, PeerSetting>();
  readonly #directories = new Map<string, string>();
  #client: Promise<Client> | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.directory = options.directory;
    this.network = options.network;
    this.members = new Set(options.ids);
  }

  get ids(): readonly string[] {
    return [...this.members];
  }

  /** All that were ever started, removed ones too. */
  get everyId(): readonly string[] {
    return [...this.#processes.keys()];
  }

  /** Of every process: secrets, where the network needs them. */
  get environment(): Readonly<Record<string, string>> {
    return this.#options.environment;
  }

  get urls(): readonly string[] {
    return this.ids.map((id) => this.network.clientUrl(id));
  }

  /** Where a peer has its data. */
  dataOf(id: string): string {
    return this.#directories.get(id) ?? path.join(this.directory, id);
  }

  logOf(id: string): string {
    return path.join(this.directory, `${id}.log`);
  }

  /** From the next start on. */
  set(id: string, setting: PeerSetting): void {
    this.#settings.set(id, setting);
  }

  /** Puts the data of a peer elsewhere; before its first start. */
  setDirectory(id: string, directory: string): void {
    this.#directories.set(id, directory);
  }

  /** Makes room on the network, and starts all founding members. */
  async start(): Promise<void> {
    mkdirSync(this.directory, { recursive: true });
    for (const id of this.ids) await this.network.add(id);
    await Promise.all(this.ids.map((id) => this.startPeer(id)));
  }

  /** Starts a peer that does not run; fulfilled when it listens. @throws when it ends before */
  async startPeer(id: string): Promise<PeerProcess> {
    const configFile = path.join(this.directory, `${id}.json`);
    writeFileSync(configFile, this.#configuration(id), { mode: 0o600 });
    const setting = this.#settings.get(id) ?? {};
    const process = new PeerProcess({
      id,
      configFile,
      dataDirectory: this.dataOf(id),
      logFile: this.logOf(id),
      prefix: [...this.network.prefixOf(id), ...(setting.prefix ?? [])],
      preload: setting.preload,
      environment: { ...this.#options.environment, ...setting.environment },
      arguments: this.#options.arguments,
    });
    this.#processes.set(id, process);
    await process.ready;
    return process;
  }

  /** The newest life of a peer. */
  process(id: string): PeerProcess {
    const process = this.#processes.get(id);
    if (process === undefined) throw new Error(`${id} was not started`);
    return process;
  }

  /** Sees to it that a peer runs: goes on when it was stopped, is started when it is gone. */
  async ensureRunning(id: string): Promise<void> {
    const process = this.#processes.get(id);
    process?.signal('SIGCONT');
    if (process === undefined || !process.running) await this.startPeer(id);
  }

  /** How each peer is that answers within two seconds. */
  async statuses(): Promise<readonly Status[]> {
    const answers = await new Operator(await this.client()).status();
    return answers.flatMap((answer) => ('status' in answer ? [answer.status] : []));
  }

  /** The peer that leads in the newest term that anybody leads in; undefined when nobody does. */
  async leader(): Promise<Status | undefined> {
    return newestLeader(await this.statuses());
  }

  /** Waits for a leader. @throws when none comes */
  async untilLeader(): Promise<Status> {
    let leader: Status | undefined;
    await until('somebody leads', PATIENCE_MS, async () => {
      leader = await this.leader();
      return leader !== undefined;
    });
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  /**
   * Waits until all members serve, follow one leader and have applied all that was committed when this was called.
   *
   * @throws with what each peer says of itself, when that does not come to be
   */
  async untilWhole(patienceMs: number = PATIENCE_MS): Promise<Status> {
    let last: readonly Status[] = [];
    let target = 0;
    let leader: Status | undefined;
    try {
      await until('all peers are as far as the leader', patienceMs, async () => {
        this.#failWhenGone();
        last = (await this.statuses()).filter(({ peer }) => this.members.has(peer));
        leader = newestLeader(last);
        if (leader === undefined) return false;
        if (target === 0) target = leader.commitIndex;
        const { term } = leader;
        return (
          last.length === this.members.size &&
          last.every((one) => one.state === 'serving' && one.term === term && one.appliedIndex >= target)
        );
      });
    } catch (error) {
      const said = last.map(
        (one) => `${one.peer} ${one.state} ${one.role} term ${one.term} applied ${one.appliedIndex}`,
      );
      throw new Error(`${String(error)}: ${said.join('; ') || 'no peer answers'}`, { cause: error });
    }
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  /** A client for the run itself, which knows how each peer is. */
  client(): Promise<Client> {
    const token = this.#options.environment['TASKRAFT_CLIENT_TOKEN'];
    this.#client ??= Client.connect({
      urls: this.urls,
      timeoutMs: CLIENT_TIMEOUT_MS,
      ...(token === undefined ? {} : { token }),
    });
    return this.#client;
  }

  /** Ends everything; `kill` for a run that failed. */
  async end(how: 'stop' | 'kill'): Promise<void> {
    await this.#client?.then((client) => client.close());
    const all = [...this.#processes.values()];
    await Promise.all(all.map((one) => (how === 'stop' ? one.stop() : one.kill())));
    await this.network.close();
  }

  /** The ends of the logs of all peers, for whoever looks why a run failed. */
  lastWords(): string {
    return [...this.#processes.values()].map((one) => `--- ${one.id}\n${one.lastWords()}`).join('\n');
  }

  #failWhenGone(): void {
    for (const id of this.members) {
      const process = this.#processes.get(id);
      if (process === undefined || process.running) continue;
      throw new Error(`${id} has ended by itself: ${process.lastWords()}`);
    }
  }

  #configuration(id: string): string {
    const members = this.network
      .addressesFor(id)
      .filter((one) => this.members.has(one.id) || one.id === id)
      .map(({ id: member, peer, client, listenPeer }) => ({
        id: member,
        peer,
        client,
        ...(listenPeer === undefined ? {} : { listen: { peer: listenPeer } }),
      }));
    return `${JSON.stringify({ clusterId: CLUSTER_ID, members }, undefined, 2)}\n`;
  }
}

function newestLeader(statuses: readonly Status[]): Status | undefined {
  return statuses
    .filter((status) => status.role === 'leader')
    .reduce<Status | undefined>(
      (newest, one) => (newest === undefined || one.term > newest.term ? one : newest),
      undefined,
    );
}
