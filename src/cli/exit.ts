/** How commands end: exit codes, and errors that people and programs can read. */
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

/** What an error means to whoever called the command. */
export interface Ending {
  readonly code: string;
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
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'INTERNAL', message, retryable: false, exitCode: EXIT.failed };
}
