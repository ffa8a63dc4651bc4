/** The `shell` handler of `worker run`: one process an attempt, held within bounds, and gone when the attempt is over. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { type HandlerContext, NonRetryable } from '../index.ts';

/** What a command is run with. */
export interface ShellOptions {
  /** Each attempt gets an empty directory of its own below this one, and it goes with the attempt. */
  readonly workDirectory: string;
  /** The whole environment of a command, but for `HOME`, `TMPDIR` and what tells it about its task. */
  readonly environment: Readonly<Record<string, string>>;
  /** Most bytes kept of each of standard output and standard error; the rest is read and dropped. */
  readonly outputBytesMax: number;
}

/** What a command that ended with status 0 leaves as the result of its task. */
export interface ShellResult {
  readonly exitCode: 0;
  readonly stdout: string;
  readonly stderr: string;
  /** True when output was dropped. */
  readonly truncated: boolean;
}

interface ShellCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** What the command sees beside what the worker allows. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string | undefined;
}

/** Between asking a command to end and ending it. Shorter than what is left of a lease when its handler is told to stop. */
const TERM_GRACE_MS = 1_000;
/** For the pipes of a command to close once its processes are gone. */
const PIPES_GRACE_MS = 500;
/** Of standard error in the message of a failure, its end, in characters. */
const MESSAGE_CHARS = 500;

/** Runs commands. `handle` is what a worker calls. */
export class ShellHandler {
  readonly #options: ShellOptions;
  /** Leaders of the process groups that run now. */
  readonly #running = new Set<number>();

  constructor(options: ShellOptions) {
    this.#options = options;
  }

  /** Runs what `payload` says. @throws NonRetryable for a payload that is none, Error when the command fails */
  readonly handle = async (payload: unknown, context: HandlerContext): Promise<ShellResult> => {
    const command = commandOf(payload);
    const { workDirectory, environment } = this.#options;
    const directory = await mkdtemp(path.join(workDirectory, 'attempt-'));
    try {
      const child = spawn(command.file, command.args, {
        cwd: directory,
        env: {
          ...environment,
          HOME: directory,
          TMPDIR: directory,
          ...command.env,
          TASKRAFT_TASK_ID: context.taskId,
          TASKRAFT_ATTEMPT: String(context.attempt),
          TASKRAFT_FENCING_TOKEN: String(context.fencingToken),
        },
        stdio: [command.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
        // A process group of its own, so that what the command starts can be ended with it.
        detached: true,
      });
      feed(child, command.stdin);
      return await this.#watch(child, context.signal);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };

  /** Ends every command at once: the process is about to go. */
  killAll(): void {
    for (const pid of this.#running) killGroup(pid, 'SIGKILL');
  }

  async #watch(child: ChildProcess, signal: AbortSignal): Promise<ShellResult> {
    const stdout = new BoundedText(child.stdout, this.#options.outputBytesMax);
    const stderr = new BoundedText(child.stderr, this.#options.outputBytesMax);
    const { pid } = child;
    let killer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      if (pid === undefined) return;
      killGroup(pid, 'SIGTERM');
      killer = setTimeout(() => killGroup(pid, 'SIGKILL'), TERM_GRACE_MS);
    };
    if (pid !== undefined) this.#running.add(pid);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      const [code, ended] = await exitOf(child);
      if (signal.aborted) throw new Error(`stopped: ${String(signal.reason)}`);
      if (code === 0)
        return {
          exitCode: 0,
          stdout: stdout.text,
          stderr: stderr.text,
          truncated: stdout.truncated || stderr.truncated,
        };
      const how = ended === null ? `exit status ${code}` : `ended by ${ended}`;
      const words = stderr.text.trim().slice(-MESSAGE_CHARS);
      throw new Error(words === '' ? how : `${how}: ${words}`);
    } finally {
      signal.removeEventListener('abort', stop);
      clearTimeout(killer);
      if (pid !== undefined) this.#running.delete(pid);
    }
  }
}

/** Exit status and signal of `child`, once it and all that it left behind in its group is gone and its output was read. */
function exitOf(child: ChildProcess): Promise<readonly [code: number | null, signal: string | null]> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
      // Whoever left the group may hold the pipes for ever.
      const timer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, PIPES_GRACE_MS);
      child.once('close', () => {
        clearTimeout(timer);
        resolve([code, signal]);
      });
    });
  });
}

/** Writes the standard input of `child`; one that does not read it all ends as it likes. */
function feed(child: ChildProcess, text: string | undefined): void {
  child.stdin?.on('error', () => {});
  child.stdin?.end(text);
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // The group is gone already.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Reads a stream to its end and keeps the first bytes. */
class BoundedText {
  readonly #bytesMax: number;
  readonly #chunks: Buffer[] = [];
  /** Invariant: at most `#bytesMax`. */
  #keptBytes = 0;
  #truncated = false;

  constructor(stream: NodeJS.ReadableStream | null, bytesMax: number) {
    this.#bytesMax = bytesMax;
    stream?.on('data', (chunk: Buffer) => {
      const kept = chunk.subarray(0, this.#bytesMax - this.#keptBytes);
      if (kept.length > 0) this.#chunks.push(kept);
      this.#keptBytes += kept.length;
      if (kept.length < chunk.length) this.#truncated = true;
    });
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  get truncated(): boolean {
    return this.#truncated;
  }
}

const USAGE =
  'the payload is {"argv": ["program", "argument", …]} or {"shell": "text for sh -c"}, and may have env and stdin besides';
const FIELDS: readonly string[] = ['argv', 'shell', 'env', 'stdin'];

/** Variables of one command. */
const VARIABLES_MAX = 100;

/**
 * `{argv: [program, ...arguments]}`, or `{shell: text}` for `sh -c`; with `env`, an object of variables, and `stdin`, the standard input.
 * Whoever may say a command may say its variables; only those that tell it about its task are kept from it. @throws NonRetryable
 */
function commandOf(payload: unknown): ShellCommand {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) throw new NonRetryable(USAGE);
  const fields: Readonly<Record<string, unknown>> = { ...payload };
  if (Object.keys(fields).some((name) => !FIELDS.includes(name))) throw new NonRetryable(USAGE);
  const { argv, shell, stdin } = fields;
  if ((argv === undefined) === (shell === undefined)) throw new NonRetryable(USAGE);
  if (stdin !== undefined && typeof stdin !== 'string') throw new NonRetryable('stdin is text');
  const [file, ...args] = shell === undefined ? textsOf(argv) : ['/bin/sh', '-c', ...textsOf([shell])];
  if (file === undefined || file === '') throw new NonRetryable(USAGE);
  return { file, args, env: variablesOf(fields['env']), stdin };
}

function textsOf(value: unknown): string[] {
  const texts: readonly unknown[] = Array.isArray(value) ? value : [undefined];
  const found = texts.filter((text) => isText(text));
  if (found.length < texts.length) throw new NonRetryable(USAGE);
  return found;
}

function variablesOf(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new NonRetryable('env is an object of texts');
  const found: [string, string][] = [];
  for (const [name, text] of Object.entries(value as Readonly<Record<string, unknown>>)) {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw new NonRetryable(`"${name.slice(0, 100)}" is no name of a variable`);
    if (name.startsWith('TASKRAFT_')) throw new NonRetryable(`${name.slice(0, 100)} is told by the worker`);
    if (!isText(text)) throw new NonRetryable(`env.${name.slice(0, 100)} is text`);
    found.push([name, text]);
  }
  if (found.length > VARIABLES_MAX) throw new NonRetryable(`env has at most ${VARIABLES_MAX} variables`);
  return Object.fromEntries(found);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}
