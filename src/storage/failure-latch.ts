import { osTrouble } from './os-error.ts';
import { StorageError } from './storage-error.ts';

/**
 * Remembers the first write that failed, for all parts of one data directory. After a failed write LevelDB may accept
 * later ones and lose them at the next open, and the kernel may have marked pages clean that never reached the disk: so
 * nothing is written, read or acknowledged any more until the directory was opened anew and verified.
 */
export class FailureLatch {
  readonly #location: string;
  readonly #onNoSpace: () => void;
  #failure: StorageError | undefined;
  #end: StorageError | undefined;

  /**
   * @param location The directory, for the sentence.
   * @param onNoSpace Called when the first failure was that there is no room.
   */
  constructor(location: string, onNoSpace: () => void = () => undefined) {
    this.#location = location;
    this.#onNoSpace = onNoSpace;
  }

  /** The first failure, or undefined. Never goes back. */
  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /** @throws StorageError The first failure, or what `end` was called with. */
  check(): void {
    this.#checkFailure();
    if (this.#end !== undefined) throw this.#end;
  }

  /** Ends use in an orderly way: no failure, but every later call is refused with `reason`. The first reason stays. */
  end(reason: StorageError): void {
    this.#end ??= reason;
  }

  /** Ends use because the directory is closed. */
  close(): void {
    this.end(new StorageError('STORAGE_FAILED', `the data directory ${this.#location} was closed`));
  }

  /** Records that `what` failed, and returns the error to reject with: that of the first failure. */
  fail(what: string, cause: unknown): StorageError {
    if (this.#failure !== undefined) return this.#failure;
    const noSpace = osTrouble(cause) === 'no-space';
    const advice = noSpace
      ? 'it goes on when it is opened again, once its file system has room.'
      : 'it is safe to restart it once the disk has room and works.';
    this.#failure = new StorageError(
      noSpace ? 'NO_SPACE' : 'STORAGE_FAILED',
      `${what} in ${this.#location} failed: ${describeCause(cause)}. This peer acknowledges nothing more; ${advice}`,
      { cause },
    );
    if (noSpace) this.#onNoSpace();
    return this.#failure;
  }

  /** Runs one write that is asked for from outside. */
  async enter(what: string, write: () => Promise<void>): Promise<void> {
    this.check();
    await this.guard(what, write);
  }

  /** Runs one write of a call that was let in before; its failure is the latch's. What `end` overtakes is finished. */
  async guard(what: string, write: () => Promise<void>): Promise<void> {
    this.#checkFailure();
    try {
      await write();
    } catch (error) {
      throw this.fail(what, error);
    }
    this.#checkFailure();
  }

  #checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** The message of an error with that of its cause, in one line. */
export function describeCause(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause instanceof Error ? ` (${cause.cause.message})` : '';
  return `${cause.message}${inner}`;
}
