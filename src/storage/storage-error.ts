/**
 * What storage can say. Codes are stable; the sentence is for the operator.
 *
 * - `DATA_DIR_LOCKED`: another process has the directory open.
 * - `DATA_DIR_UNUSABLE`: the directory cannot be made, read or written.
 * - `WRONG_CLUSTER`, `WRONG_PEER`: the directory belongs to another cluster, or to another peer or incarnation.
 * - `FORMAT_UNKNOWN`: a record was written by a version of Taskraft that this one does not know.
 * - `IDENTITY_DAMAGED`, `HEAD_DAMAGED`, `META_DAMAGED`, `LOG_DAMAGED`, `STATE_DAMAGED`: what was written does not read as
 *   it was written, or contradicts the rest.
 * - `LOG_TAIL_LOST`: the log ends before an entry that this peer had acknowledged.
 * - `NO_SPACE`: a write failed, or the directory could not be opened, because its file system is full; then as
 *   `STORAGE_FAILED`.
 * - `STORAGE_FAILED`: a write failed, or a read that tells nothing about damage; nothing is written or acknowledged through this handle any more.
 */
export type StorageErrorCode =
  | 'DATA_DIR_LOCKED'
  | 'DATA_DIR_UNUSABLE'
  | 'WRONG_CLUSTER'
  | 'WRONG_PEER'
  | 'FORMAT_UNKNOWN'
  | 'IDENTITY_DAMAGED'
  | 'HEAD_DAMAGED'
  | 'META_DAMAGED'
  | 'LOG_DAMAGED'
  | 'LOG_TAIL_LOST'
  | 'STATE_DAMAGED'
  | 'NO_SPACE'
  | 'STORAGE_FAILED';

/** An operating error of the disk or of what lies on it. Never a broken promise of our own code. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  /** The first log index at which the log cannot be trusted, where that is known. */
  readonly index: number | undefined;
  /** The message without what the operator can do. */
  readonly finding: string;

  constructor(
    code: StorageErrorCode,
    message: string,
    details: { readonly index?: number; readonly cause?: unknown; readonly finding?: string } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.index = details.index;
    this.finding = details.finding ?? message;
  }
}
