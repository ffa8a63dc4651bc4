import { StorageError } from './storage-error.ts';

/**
 * Remembers the first write that failed, for all parts of one data directory. After a failed write LevelDB may accept
 * later ones and lose them at the next open, and the kernel may have marked pages clean that never reached the disk: so
 * nothing is written, read or acknowledged any more until the directory was opened anew and verified.
 */
export class FailureLatch {
  readonly #location: string;
  #failure: StorageError | undefined;
  #closed = false;

  /** @param location The directory, for the sentence. */
  constructor(location: string) {
    this.#location = location;
  }

  /** The first failure, or undefined. Never goes back. */
  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /** @throws StorageError `STORAGE_FAILED` after the first failure, and after `close`. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed) throw new StorageError('STORAGE_FAILED', `the data directory ${this.#location} was closed`);
  }

  /** Ends use in an orderly way: no failure, but every later call is refused. */
  close(): void {
    this.#closed = true;
  }

  /** Records that `what` failed, and returns the error to reject with: that of the first failure. */
  fail(what: string, cause: unknown): StorageError {
    this.#failure ??= new StorageError(
      'STORAGE_FAILED',
      `${what} in ${this.#location} failed: ${describeCause(cause)}. ` +
        'This peer acknowledges nothing more; it is safe to restart it once the disk has room and works.',
      { cause },
    );
    return this.#failure;
  }

  /** Runs one write; its failure is the latch's. */
  async guard(what: string, write: () => Promise<void>): Promise<void> {
    this.check();
    try {
      await write();
    } catch (error) {
      throw this.fail(what, error);
    }
    this.check();
  }
}

/** The message of an error with that of its cause, in one line. */
export function describeCause(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause instanceof Error ? ` (${cause.cause.message})` : '';
  return `${cause.message}${inner}`;
}
