/** A process of the load, as the run sees it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromLoad, LoadOrder, ToLoad } from './load/messages.ts';

/** What one is started with. */
export interface LoadOptions {
  readonly module: 'client' | 'worker' | 'schedule-worker';
  readonly order: LoadOrder;
  /** The command that starts it, before the program. */
  readonly prefix: readonly string[];
  /** When the load began, by the shared clock, so that all processes agree about which keys are in use. */
  readonly beganMs: number;
}

/** How long its parts may take to end what is under way, in ms. */
const STOP_GRACE_MS = 30_000;

/** See the head of this file. */
export class LoadProcess {
  readonly file: string;
  readonly name: string;
  /** Fulfilled when all its clients or workers are up. */
  readonly ready: Promise<void>;
  /** Rejected when the process ends before it was told to. */
  readonly broken: Promise<never>;
  readonly #child: ChildProcess;
  readonly #stopped: Promise<void>;
  readonly #ended: Promise<void>;
  #ending = false;
  #count = 0;
  /** The first start under each term, by the shared clock in ms. */
  readonly #terms = new Map<number, number>();

  constructor({ module, order, prefix, beganMs }: LoadOptions) {
    this.file = order.file;
    this.name = `${module} process ${order.first}`;
    const file = fileURLToPath(new URL(`./load/${module}.js`, import.meta.url));
    const [command, ...args] = [...prefix, process.execPath, file, JSON.stringify(order), String(beganMs)];
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      detached: true,
    });
    let readied = (): void => {};
    let stopped = (): void => {};
    this.ready = new Promise((resolve) => {
      readied = resolve;
    });
    this.#stopped = new Promise((resolve) => {
      stopped = resolve;
    });
    this.#child.on('message', (message: FromLoad) => {
      if (message.type === 'ready') readied();
      if (message.type === 'stopped') stopped();
      if (message.type === 'progress') this.#count = message.count;
      if (message.type === 'term' && !this.#terms.has(message.term)) this.#terms.set(message.term, message.atMs);
    });
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    this.broken = new Promise((_, reject) => {
      void this.#ended.then(() => {
        if (!this.#ending) reject(new Error(`${this.name} has ended by itself`));
      });
    });
    this.broken.catch(() => {});
  }

  /** Operations that ended, or completions that were accepted. */
  get count(): number {
    return this.#count;
  }

  /** When the first attempt started here that a leader of a later term than `term` assigned; undefined while there is none. */
  firstStartAfter(term: number): { readonly term: number; readonly atMs: number } | undefined {
    let first: { readonly term: number; readonly atMs: number } | undefined;
    for (const [one, atMs] of this.#terms) {
      if (one > term && (first === undefined || atMs < first.atMs)) first = { term: one, atMs };
    }
    return first;
  }

  /** Nothing new begins; fulfilled when what was under way is over and written down. @throws when that takes too long */
  async stop(): Promise<void> {
    this.#tell({ type: 'stop' });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name} does not come to an end`)), STOP_GRACE_MS);
    });
    await Promise.race([this.#stopped, this.broken, late]);
    clearTimeout(timer);
  }

  /** Ends the process. */
  async end(): Promise<void> {
    this.#ending = true;
    this.#tell({ type: 'end' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_GRACE_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Its network is dead for a while, and it works on. Of workers of schedules. */
  deafen(forMs: number): void {
    this.#tell({ type: 'deafen', forMs });
  }

  /** Ends the process as a power cut would; fulfilled when it is gone. */
  async kill(): Promise<void> {
    this.#ending = true;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #tell(message: ToLoad): void {
    // A channel that is gone means a process that is gone, which `broken` tells.
    if (this.#child.connected) this.#child.send(message);
  }
}
