/** The load of a run: processes of clients and of workers, and what they wrote down. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { sharedClockMs } from './clock.ts';
import type { ChaosCluster } from './cluster.ts';
import { LoadProcess } from './load-process.ts';
import type { LoadOrder } from './load/messages.ts';
import { type LoadRecord, readRecords } from './load/recorder.ts';

/** How much load there is. */
export interface LoadOptions {
  readonly kind: LoadOrder['kind'];
  readonly clients: number;
  /** Clients of one process. */
  readonly clientsTogether: number;
  /** The shortest time between two operations of one client, in ms. */
  readonly paceMs: number;
  readonly workers: number;
  /** Of each worker. */
  readonly slots: number;
  readonly seed: number;
  /** The token that clients show, where the cluster asks for one. */
  readonly token: string | undefined;
}

/** See the head of this file. */
export class Load {
  readonly clients: readonly LoadProcess[];
  readonly workers: readonly LoadProcess[];
  /** Rejected when a process of the load breaks. */
  readonly broken: Promise<never>;

  constructor(cluster: ChaosCluster, options: LoadOptions) {
    const { kind, seed, token, clientsTogether, paceMs } = options;
    const beganMs = sharedClockMs();
    const base = { urls: cluster.urls, kind, seed, token };
    const prefix = cluster.network.loadPrefix;
    const fileOf = (name: string): string => path.join(cluster.directory, `${name}.records`);
    const workers: LoadProcess[] = [];
    for (let first = 0; first < options.workers; first += 1) {
      const order = { ...base, count: 1, first, pace: options.slots, file: fileOf(`worker-${first}`) };
      workers.push(new LoadProcess({ module: 'worker', order, prefix, beganMs }));
    }
    const clients: LoadProcess[] = [];
    for (let first = 0; first < options.clients; first += clientsTogether) {
      const count = Math.min(clientsTogether, options.clients - first);
      const order = { ...base, count, first, pace: paceMs, file: fileOf(`clients-${first}`) };
      clients.push(new LoadProcess({ module: 'client', order, prefix, beganMs }));
    }
    this.clients = clients;
    this.workers = workers;
    this.broken = Promise.race(this.#all.map((one) => one.broken));
    this.broken.catch(() => {});
  }

  /** Fulfilled when all clients and workers are up. */
  async ready(): Promise<void> {
    await Promise.race([Promise.all(this.#all.map((one) => one.ready)), this.broken]);
  }

  /** Operations of clients that ended. */
  get operations(): number {
    return this.clients.reduce((sum, one) => sum + one.count, 0);
  }

  /** Completions that were accepted. */
  get completions(): number {
    return this.workers.reduce((sum, one) => sum + one.count, 0);
  }

  /** When the first attempt started that a leader of a later term than `term` assigned, by the shared clock in ms. */
  startAfter(term: number): number | undefined {
    const starts = this.workers.flatMap((one) => one.firstStartAfter(term)?.atMs ?? []);
    return starts.length === 0 ? undefined : Math.min(...starts);
  }

  /** Everything that was written down. After both were stopped. */
  records(): readonly LoadRecord[] {
    return this.#all.flatMap((one) => readRecords(readFileSync(one.file, 'utf8')));
  }

  async stopClients(): Promise<void> {
    await Promise.all(this.clients.map((one) => one.stop()));
  }

  async stopWorkers(): Promise<void> {
    await Promise.all(this.workers.map((one) => one.stop()));
  }

  async end(): Promise<void> {
    await Promise.all(this.#all.map((one) => one.end()));
  }

  get #all(): readonly LoadProcess[] {
    return [...this.clients, ...this.workers];
  }
}
