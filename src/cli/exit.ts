/** How commands end: exit codes, and errors that people and programs can read. */
import { CommanderError } from 'commander';
import { TaskraftError } from '../client/errors.ts';
import { exitCodeOf } from '../protocol/error-code.ts';
import { StorageError } from '../storage/storage-error.ts';
import { SecretError } from '../system/secrets.ts';

/** Exit codes of every command. They are part of the contract. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  forbidden: 4,
  conflict: 5,
  unavailable: 6,
  /** Of `diff` and of a dry run: something would change. */
  wouldChange: 10,
} as const;

/** Ends the command with a sentence and an exit code. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/**
 * The value of an option, or of an argument, that has to be given. Commander's own check would come before that for unknown
 * options, and hide a misspelt name behind a missing one.
 *
 * @throws CliError USAGE
 */
export function required<Value>(value: Value | undefined, option: string): Value {
  const what = option.startsWith('-') ? 'option' : 'argument';
  if (value === undefined) throw new CliError('USAGE', `required ${what} '${option}' not specified`, EXIT.usage);
  return value;
}

/** What an error means to whoever called the command. */
export interface Ending {
  readonly code: string;
  /** Empty when everything has been said. */
  readonly message: string;
  readonly retryable: boolean;
  readonly exitCode: number;
}

/** Turns anything that was thrown into an ending. Only a mistake of our own shows its stack. */
export function endingOf(error: unknown): Ending {
  if (error instanceof TaskraftError) {
    return { code: error.code, message: error.message, retryable: error.retryable, exitCode: exitCodeOf(error.code) };
  }
  if (error instanceof CliError) {
    return { code: error.code, message: error.message, retryable: false, exitCode: error.exitCode };
  }
  if (error instanceof StorageError || error instanceof SecretError) {
    return { code: error.code, message: error.message, retryable: false, exitCode: EXIT.failed };
  }
  if (error instanceof CommanderError) return usageEnding(error);
  const address = addressProblem(error);
  if (address !== undefined) return address;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'INTERNAL', message, retryable: false, exitCode: EXIT.failed };
}

/** The ending for arguments that cannot be used; asking for help or the version ends in this way too. */
function usageEnding(error: CommanderError): Ending {
  const { code, exitCode } = error;
  const isShown = exitCode === 0 || code === 'commander.help';
  const message = isShown ? '' : error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return { code: 'USAGE', message, retryable: false, exitCode: exitCode === 0 ? EXIT.ok : EXIT.usage };
}

/** The ending for an address that cannot be listened at. */
function addressProblem(error: unknown): Ending | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error && 'port' in error)) return undefined;
  const { code, port } = error;
  const host = 'address' in error ? String(error.address) : '';
  const where = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  const ending = { code: String(code), retryable: false, exitCode: EXIT.failed };
  if (code === 'EADDRINUSE')
    return { ...ending, message: `${where} is in use by another process: stop that one, or take another port` };
  if (code === 'EADDRNOTAVAIL')
    return {
      ...ending,
      message: `${where} is no address of this host: name one that is, or 0.0.0.0 for all, in "listen"`,
    };
  if (code === 'EACCES')
    return { ...ending, message: `listening at ${where} is not allowed: take a port of 1024 or more` };
  return undefined;
}
