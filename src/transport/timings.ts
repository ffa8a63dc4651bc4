/** Times and bounds of the links between peers. None has to be equal on all peers. */
export interface TransportTimings {
  /** How long a dial may take until the connection stands. */
  readonly dialTimeoutMs: number;
  /** How long a handshake may take after that. */
  readonly handshakeTimeoutMs: number;
  /** The first pause after a dial that failed; it doubles up to `backoffMaxMs`. Half of each pause is drawn by lot. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** How often each connection shows that it lives. */
  readonly pingMs: number;
  /**
   * A link on whose control lane this many pings in a row stay unanswered, with nothing taken by the network meanwhile, is dead.
   * The bulk lane has six times as long.
   */
  readonly missedPingsMax: number;
  /** Bytes that may wait on one lane of one peer; what comes beyond is dropped. */
  readonly bulkBytesMax: number;
  readonly controlBytesMax: number;
}

/** What is used unless a test asks for something else. */
export const TRANSPORT_TIMINGS: TransportTimings = {
  // Shorter than the longest election timeout: a peer that comes back is reached before it grows impatient.
  dialTimeoutMs: 1_000,
  handshakeTimeoutMs: 3_000,
  backoffMinMs: 20,
  backoffMaxMs: 1_000,
  pingMs: 1_000,
  missedPingsMax: 5,
  bulkBytesMax: 64 * 1024 * 1024,
  controlBytesMax: 8 * 1024 * 1024,
};

/** Handshakes of callers that may be under way at once. */
export const HANDSHAKES_MAX = 64;

/**
 * Bytes that a caller may send in all before it has proved who it is: several times a handshake. Without it each of
 * `HANDSHAKES_MAX` strangers could make this peer hold a frame of the largest size.
 */
export const STRANGER_BYTES_MAX: number = 64 * 1024;

/** Callers that are no peers and stay connected in order to join, by name. */
export const JOINING_MAX = 16;

/** The path of the WebSocket between peers. */
export const PEER_PATH = '/v1/peer';

/** The WebSocket subprotocol between peers. */
export const PEER_PROTOCOL = 'taskraft-peer.v1';

/** The URL at which the peer at `address` is dialed; an IPv6 address has no brackets there. */
export function peerUrl(address: { readonly host: string; readonly port: number }): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `ws://${host}:${address.port}${PEER_PATH}`;
}

/** Codes with which a peer closes a connection, of RFC 6455 §7.4.1; 4000 is of its private range. */
export const CLOSE_CODE = {
  goingAway: 1001,
  protocolError: 1002,
  refused: 4000,
  replaced: 4001,
} as const;
