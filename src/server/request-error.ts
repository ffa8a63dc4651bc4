import { type ErrorCode } from '../protocol/error-code.ts';

/** A request that is refused before anything was proposed or read. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: ErrorCode;
  /** The task of a batch that is to blame, from 0; null when it is the whole request. */
  readonly position: number | null;

  constructor(code: ErrorCode, message: string, position: number | null = null) {
    super(message);
    this.code = code;
    this.position = position;
  }
}
