import type { ErrorCode } from './error-code.ts';

/** Bytes from the other end that are no frame. The connection ends with `closeCode`; nothing was executed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  /** What to tell the other end. */
  readonly code: ErrorCode;
  /** Of RFC 6455 §7.4.1: 1002 protocol error, 1007 not what it should be, 1009 too large. */
  readonly closeCode: number;

  constructor(code: ErrorCode, message: string, closeCode = 1007) {
    super(message);
    this.code = code;
    this.closeCode = closeCode;
  }
}
