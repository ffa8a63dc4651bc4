import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from 'node:http';
import { WebSocketServer } from 'ws';
import { assert } from '../base/assert.ts';
import type { Listener, Socket } from '../base/socket.ts';
import type { Authorize, UpgradeDecision, UpgradeRequest } from '../base/upgrade.ts';
import { wsLimits, WsSocket } from './ws-socket.ts';

/** What a listener listens for. */
export interface WsListenerOptions {
  /** A host name or an address of this host. */
  readonly host: string;
  /** 0 takes any free port, see `WsListener.port`. */
  readonly port: number;
  /** The only path under which there is a WebSocket. */
  readonly path: string;
  /** The only subprotocol that is spoken; a caller that does not offer it is turned away with both names. */
  readonly protocol: string;
  readonly maxMessageBytes: number;
  /** Bytes that a connection may send in all until its owner calls `trusted`; more end it. Default: no bound of its own. */
  readonly strangerBytesMax?: number;
  readonly authorize: Authorize;
  /** Open WebSockets at once. Default 10,000. */
  readonly connectionsMax?: number;
  /** Of these from one address that is not loopback. Default 256. */
  readonly connectionsPerAddressMax?: number;
}

type Refusal = UpgradeDecision & { readonly allowed: false };

const CONNECTIONS_MAX = 10_000;
const CONNECTIONS_PER_ADDRESS_MAX = 256;
/** Connections that are no WebSocket yet. */
const PENDING_MAX = 200;

/**
 * Accepts WebSockets at one address. Everything that can turn a caller away happens on the HTTP request, before a WebSocket
 * exists: path, subprotocol, bounds, and what `authorize` says of host, origin and token.
 */
export class WsListener implements Listener {
  readonly #options: WsListenerOptions;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #openOf: Map<string, number> = new Map();
  #open = 0;
  #pending = 0;
  #accepted: ((socket: Socket) => void) | undefined;

  constructor(options: WsListenerOptions) {
    this.#options = options;
    this.#ws = new WebSocketServer({
      ...wsLimits(options.maxMessageBytes),
      noServer: true,
      clientTracking: false,
      handleProtocols: () => options.protocol,
    });
    this.#http = createServer({
      // Against callers that send their request a byte at a time.
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 5_000,
      maxHeaderSize: 16 * 1024,
    });
    this.#http.on('connection', (socket) => this.#count(socket));
    this.#http.on('request', (request, response) => this.#answer(request, response));
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** The port that is listened on, once `listen` is fulfilled. */
  get port(): number {
    const address = this.#http.address();
    assert(address !== null && typeof address === 'object', 'the listener listens');
    return (address satisfies AddressInfo).port;
  }

  listen(accepted: (socket: Socket) => void): Promise<void> {
    assert(this.#accepted === undefined, 'a listener listens once');
    this.#accepted = accepted;
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen({ host, port, exclusive: true }, () => {
        this.#http.off('error', reject);
        // Past this point an error is one of accepting, such as too few file descriptors: the next connection may do better.
        this.#http.on('error', () => {});
        resolve();
      });
    });
  }

  close(): Promise<void> {
    // Fulfilled at once: the port is free, and WebSockets that are open belong to those who accepted them.
    this.#http.close();
    this.#http.closeIdleConnections();
    return Promise.resolve();
  }

  /** Bounds what has not proved anything yet. */
  #count(socket: Duplex): void {
    if (this.#pending >= PENDING_MAX) {
      socket.destroy();
      return;
    }
    this.#pending += 1;
    const release = (): void => {
      socket.off('close', release);
      socket.off(UPGRADED, release);
      this.#pending -= 1;
    };
    socket.on('close', release);
    socket.on(UPGRADED, release);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.#turnAway(describe(request, false));
    const { status, message } = refusal ?? refuse(426, 'this address speaks WebSocket only');
    response.writeHead(status, headers(status, message, this.#options.protocol));
    response.end(`${message}\n`);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Before a WebSocket takes over, an error of the connection would have no other listener.
    socket.on('error', () => {});
    const asked = describe(request, true);
    const refusal = this.#turnAway(asked) ?? this.#turnUpgradeAway(request, asked);
    if (refusal !== undefined) {
      socket.end(rawAnswer(refusal.status, refusal.message, this.#options.protocol));
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (ws) => {
      socket.emit(UPGRADED);
      this.#enter(asked.remoteAddress);
      ws.once('close', () => this.#leave(asked.remoteAddress));
      const remote = `${asked.remoteAddress}:${request.socket.remotePort ?? 0}`;
      this.#accepted?.(new WsSocket(ws, socket, remote, this.#options.strangerBytesMax));
    });
  }

  /** What keeps any request from being served. */
  #turnAway(request: UpgradeRequest): Refusal | undefined {
    const decision = this.#options.authorize(request);
    return decision.allowed ? undefined : decision;
  }

  #turnUpgradeAway(request: IncomingMessage, asked: UpgradeRequest): Refusal | undefined {
    const { path, protocol } = this.#options;
    if (asked.target.split('?', 1)[0] !== path)
      return refuse(404, `there is no WebSocket at this path, only at ${path}`);
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (!offered.includes(protocol)) {
      return refuse(400, `the subprotocol spoken here is ${protocol}`);
    }
    if (this.#open >= (this.#options.connectionsMax ?? CONNECTIONS_MAX)) {
      return refuse(503, 'too many connections');
    }
    const perAddress = this.#options.connectionsPerAddressMax ?? CONNECTIONS_PER_ADDRESS_MAX;
    if (!isLoopback(asked.remoteAddress) && (this.#openOf.get(asked.remoteAddress) ?? 0) >= perAddress) {
      return refuse(503, 'too many connections from this address');
    }
    return undefined;
  }

  #enter(address: string): void {
    this.#open += 1;
    this.#openOf.set(address, (this.#openOf.get(address) ?? 0) + 1);
  }

  #leave(address: string): void {
    this.#open -= 1;
    const left = (this.#openOf.get(address) ?? 1) - 1;
    if (left === 0) this.#openOf.delete(address);
    else this.#openOf.set(address, left);
  }
}

/** An event of our own on the connection: it has become a WebSocket. */
const UPGRADED = Symbol('upgraded');

function describe(request: IncomingMessage, upgrade: boolean): UpgradeRequest {
  return {
    upgrade,
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    host: request.headers.host,
    origin: request.headers.origin,
    authorization: request.headers.authorization,
    remoteAddress: request.socket.remoteAddress ?? '',
  };
}

function refuse(status: number, message: string): Refusal {
  return { allowed: false, status, message };
}

/** True for addresses that only this host can have. */
function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}

function headers(status: number, message: string, protocol: string): Record<string, string | number> {
  return {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(message) + 1,
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...(status === 426 ? { upgrade: `websocket, ${protocol}` } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  };
}

/** A whole HTTP answer on a connection that Node has given up to us. */
function rawAnswer(status: number, message: string, protocol: string): string {
  const lines = Object.entries(headers(status, message, protocol)).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`, ...lines, '', `${message}\n`].join('\r\n');
}
