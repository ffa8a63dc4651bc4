/** A process of this very program that another one starts and looks after. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What the process starts as. */
export interface OwnProcessOptions {
  /** For people: `p1`. */
  readonly name: string;
  /** As after `taskraft` on a command line. */
  readonly args: readonly string[];
  /** What the environment has beside that of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Hears of what it says on standard error, as it comes. */
  readonly said?: (text: string) => void;
  /** Hears its messages but the first one, `ready`. */
  readonly message?: (message: unknown) => void;
}

/** Of standard error, its end, in characters: what is shown when a process fails. */
const LAST_WORDS_CHARS = 4_000;
/** Between asking a process to end and ending it. */
const STOP_GRACE_MS = 10_000;
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** The message by which a started process says that it does what it is there for. */
export const READY = 'ready';

/**
 * The process runs in a group of its own, so that Ctrl-C in a terminal reaches only the one that started it, which then stops
 * all in order. It notices by the channel to its parent when that is gone, and ends.
 */
export class OwnProcess {
  readonly name: string;
  /** Fulfilled when the process is gone; never rejected. */
  readonly ended: Promise<ProcessEnd>;
  /** Fulfilled with the first message; rejected when the process ends before. */
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  #lastWords = '';

  constructor(options: OwnProcessOptions) {
    this.name = options.name;
    const child = fork(MAIN, options.args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true,
      env: { ...process.env, ...options.environment },
    });
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_CHARS);
      options.said?.(text);
    });
    // With `close` all that it said has been read, unlike with `exit`.
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    this.ready = new Promise((resolve, reject) => {
      child.on('message', (message) => {
        if (message === READY) resolve();
        else options.message?.(message);
      });
      void this.ended.then((end) => reject(new Error(`${this.name} ${describeEnd(end)}: ${this.lastWords.trim()}`)));
    });
    this.ready.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The end of what it said on standard error. */
  get lastWords(): string {
    return this.#lastWords;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Asks it to end, and ends it when it does not within 10 s. */
  async stop(): Promise<ProcessEnd> {
    this.kill('SIGTERM');
    // A process that was stopped by SIGSTOP could not hear the request.
    this.kill('SIGCONT');
    const timer = setTimeout(() => this.kill('SIGKILL'), STOP_GRACE_MS);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }
}

/** How a process ended, in words that go on after its name. */
export function describeEnd(end: ProcessEnd): string {
  return end.signal === null ? `ended with status ${end.code}` : `was ended by ${end.signal}`;
}

/** Tells the process that started this one that all is up, where there is one, and calls `orphaned` when that is gone. */
export function reportReady(orphaned: () => void): void {
  if (process.send === undefined) return;
  process.once('disconnect', orphaned);
  process.send(READY);
}
