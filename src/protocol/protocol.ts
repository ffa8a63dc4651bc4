/**
 * The public wire contract between a peer and whoever talks to it: clients, workers, tools. Bytes come in from a connection,
 * frames go out, and back; what a frame makes a peer or a client do is written elsewhere.
 *
 * ```
 *   ClientFrame ──encodeClientFrame──▶ bytes ──decodeClientFrame──▶ ClientFrame      client → peer
 *   ServerFrame ◀─decodeServerFrame── bytes ◀──encodeServerFrame── ServerFrame       peer → client
 * ```
 *
 * One binary WebSocket message carries one frame: a MessagePack array that begins with the frame's kind, an integer. A
 * connection starts with `hello` and its answer `welcome`; everything else is a request with an id and its answer, or a
 * frame that is not answered.
 *
 * Invariants: a decoded frame has exactly the types that its definition names, whatever the bytes were; anything else is a
 * `ProtocolError` with a code, never another exception. Bytes that users own (payloads, results, errors, headers,
 * checkpoints) are not opened here. Nothing here knows the log: the wire and the log change apart.
 *
 * The unions are in `client-frame.ts` and `server-frame.ts`, rows shared by them in `rows.ts`, their layout in
 * `frame-table.ts`, the codec in `codec.ts`; `docs/PROTOCOL.md` tells all of it to who writes a client in another language.
 */

/** The WebSocket subprotocol that both ends name. */
export const SUBPROTOCOL = 'taskraft.v1';

/** Where a peer accepts client connections. */
export const CONNECT_PATH = '/v1/connect';

/** The port of clients, HTTP and dashboard unless configured otherwise. */
export const DEFAULT_CLIENT_PORT = 7400;
