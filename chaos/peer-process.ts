/** One member of the cluster under test: the built program, started as an operator starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
/** Of what it says, what is shown when it ends against expectation, in characters. */
const LAST_WORDS_CHARS = 1_500;
/** How long a peer that was asked to end may take, in ms. */
const STOP_GRACE_MS = 15_000;

/** What one life of a peer is started with. */
export interface PeerLaunch {
  readonly id: string;
  readonly configFile: string;
  readonly dataDirectory: string;
  /** What it says goes to the end of this file. */
  readonly logFile: string;
  /** A command that starts it: `['prlimit', '--nofile=64']`, to which the program is added. */
  readonly prefix?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** URL of a module that is loaded before the program. */
  readonly preload?: string | undefined;
  /** Further arguments of `taskraft server`. */
  readonly arguments?: readonly string[];
}

/** How a process ended. */
export interface PeerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One life of a peer. */
export class PeerProcess {
  readonly id: string;
  /** Fulfilled when the process is gone. */
  readonly ended: Promise<PeerEnd>;
  /** Fulfilled when it listens; rejected when it ends before, with what it said. */
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  constructor(launch: PeerLaunch) {
    this.id = launch.id;
    this.#logFile = launch.logFile;
    const { configFile, dataDirectory } = launch;
    const server = ['server', '--config', configFile, '--peer', launch.id, '--data', dataDirectory];
    const [command = process.execPath, ...args] = [
      ...(launch.prefix ?? []),
      process.execPath,
      ...(launch.preload === undefined ? [] : ['--import', launch.preload]),
      MAIN,
      ...server,
      '--stop-with-parent',
      ...(launch.arguments ?? []),
    ];
    const log = openSync(launch.logFile, 'a', 0o600);
    // A group of its own: Ctrl-C reaches the run alone, which ends everything in order.
    const child = spawn(command, args, {
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
      env: { ...process.env, ...launch.environment },
    });
    closeSync(log);
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', () => resolve({ code: null, signal: null }));
    });
    this.ready = new Promise((resolve, reject) => {
      child.once('message', () => resolve());
      void this.ended.then((end) => reject(new Error(`${this.id} ${describeEnd(end)}: ${this.lastWords()}`)));
    });
    this.ready.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of what this and earlier lives of the peer said. */
  lastWords(): string {
    return readFileSync(this.#logFile, 'utf8').slice(-LAST_WORDS_CHARS).trim();
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Ends it as a power cut would end a process. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** Asks it to end in order, and ends it when it does not. */
  async stop(): Promise<PeerEnd> {
    this.signal('SIGTERM');
    // One that was stopped by SIGSTOP could not hear the request.
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_GRACE_MS);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }
}

/** How a process ended, in words that go on after its name. */
export function describeEnd(end: PeerEnd): string {
  return end.signal === null ? `ended with status ${end.code}` : `was ended by ${end.signal}`;
}
