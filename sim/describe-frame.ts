/** Frames of clients and workers in a line each, for the trace. */
import { decodeClientFrame, decodeServerFrame } from '../src/protocol/codec.ts';
import { ProtocolError } from '../src/protocol/protocol-error.ts';

/** Longest line. */
const CHARS_MAX = 200;

/** What a client (or worker) sends to a peer. */
export function describeClientFrame(bytes: Uint8Array): string {
  return describe(() => decodeClientFrame(bytes));
}

/** What a peer sends to a client (or worker). */
export function describeServerFrame(bytes: Uint8Array): string {
  return describe(() => decodeServerFrame(bytes));
}

function describe(decode: () => { readonly type: string }): string {
  try {
    const { type, ...fields } = decode();
    const text = JSON.stringify(fields, (_, value: unknown) =>
      value instanceof Uint8Array ? `(${value.length} bytes)` : value,
    );
    return `${type} ${text}`.slice(0, CHARS_MAX);
  } catch (error) {
    if (error instanceof ProtocolError) return `no frame: ${error.message}`;
    throw error;
  }
}
