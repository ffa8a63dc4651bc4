import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** The built program. */
export const MAIN: string = path.resolve(import.meta.dirname, '../../../dist/src/cli/main.js');

/** What a command left behind. */
export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command is run with, beside its arguments. */
export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** What it reads on standard input; default nothing. */
  readonly input?: string;
  readonly directory?: string;
}

/** A process of the program that runs until it is told to stop. */
export class Program {
  readonly child: ChildProcess;
  /** Fulfilled when the process is gone and all it said was read. */
  readonly ended: Promise<{ readonly status: number | null; readonly signal: string | null }>;
  #stdout = '';
  #stderr = '';

  constructor(args: readonly string[], options: RunOptions = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.directory,
      stdio: 'pipe',
      env: { ...cleanEnvironment(), ...options.environment },
    });
    this.child.stdin?.end(options.input);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(this.child, 'close').then(([status, signal]) => ({
      status: status as number | null,
      signal: signal as string | null,
    }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Fulfilled when `words` were said on either stream. @throws when the program ends before */
  async said(words: string | RegExp): Promise<void> {
    const has = (): boolean => {
      const text = `${this.#stdout}\n${this.#stderr}`;
      return typeof words === 'string' ? text.includes(words) : words.test(text);
    };
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    while (!has()) {
      if (over) throw new Error(`ended without saying ${String(words)}: ${this.#stdout}\n${this.#stderr}`);
      await Promise.race([dataOf(this.child), this.ended]);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Asks it to end, and waits until it has. Its exit status. */
  async stop(): Promise<number | null> {
    this.kill('SIGTERM');
    this.kill('SIGCONT');
    return (await this.ended).status;
  }
}

/** Runs a command to its end. */
export async function taskraft(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const program = new Program(args, options);
  const { status } = await program.ended;
  return { status, stdout: program.stdout, stderr: program.stderr };
}

function dataOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => {
    child.stdout?.once('data', resolve);
    child.stderr?.once('data', resolve);
  });
}

/** The environment of whoever runs the tests, without what would change what the program does. */
function cleanEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TASKRAFT_')));
}
