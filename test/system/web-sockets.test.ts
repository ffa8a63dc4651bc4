import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { createServer as createTcpServer, connect, type AddressInfo, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import {
  DRAIN_HIGH_BYTES,
  type DialFailure,
  type DialOptions,
  type Socket,
  type SocketClose,
} from '../../src/base/socket.ts';
import { refuseBrowsers, type UpgradeRequest } from '../../src/base/upgrade.ts';
import { WsDialer } from '../../src/system/ws-dialer.ts';
import { WsListener, type WsListenerOptions } from '../../src/system/ws-listener.ts';
import { freePorts } from './free-ports.ts';

const DIAL: DialOptions = { timeoutMs: 10_000, maxMessageBytes: 1_000_000, protocol: 'test.v1' };
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Listening {
  readonly listener: WsListener;
  readonly url: string;
  /** The next connection that is accepted. */
  accepted(): Promise<Peer>;
}

/** One end of a connection, with what it has heard. */
class Peer {
  readonly socket: Socket;
  readonly messages: Uint8Array[] = [];
  drains = 0;
  close: SocketClose | undefined;
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.handle({
      message: (bytes) => {
        this.messages.push(bytes);
        this.#tell();
      },
      closed: (close) => {
        expect(this.close).toBeUndefined();
        this.close = close;
        this.#tell();
      },
      drained: () => {
        this.drains += 1;
        this.#tell();
      },
    });
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  async closed(): Promise<SocketClose> {
    await this.until(() => this.close !== undefined);
    return this.close as SocketClose;
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

async function listen(options: Partial<WsListenerOptions> = {}): Promise<Listening> {
  const listener = new WsListener({
    host: '127.0.0.1',
    port: 0,
    path: '/here',
    protocol: 'test.v1',
    maxMessageBytes: 4_000_000,
    authorize: refuseBrowsers,
    ...options,
  });
  const waiting: ((peer: Peer) => void)[] = [];
  const came: Peer[] = [];
  await listener.listen((socket) => {
    const peer = new Peer(socket);
    const waiter = waiting.shift();
    if (waiter === undefined) came.push(peer);
    else waiter(peer);
    cleanups.push(() => socket.terminate());
  });
  cleanups.push(() => listener.close());
  return {
    listener,
    url: `ws://127.0.0.1:${listener.port}/here`,
    accepted: () =>
      new Promise((resolve) => {
        const peer = came.shift();
        if (peer === undefined) waiting.push(resolve);
        else resolve(peer);
      }),
  };
}

function dial(url: string, options: Partial<DialOptions> = {}): Promise<Peer | DialFailure> {
  return new Promise((resolve) => {
    let within = true;
    new WsDialer().dial(
      url,
      { ...DIAL, ...options },
      {
        opened: (socket) => {
          cleanups.push(() => socket.terminate());
          resolve(new Peer(socket));
        },
        failed: (failure) => {
          expect(within).toBe(false);
          resolve(failure);
        },
      },
    );
    within = false;
  });
}

async function connected(options: Partial<WsListenerOptions> = {}): Promise<{ near: Peer; far: Peer }> {
  const listening = await listen(options);
  const near = await dial(listening.url);
  if (!(near instanceof Peer)) throw new Error(near.message);
  return { near, far: await listening.accepted() };
}

/** A server that treats each connection as told. */
async function serve(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  cleanups.push(() => server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/here`;
}

describe('a dial', () => {
  test('reaches a listener, and bytes cross both ways', async () => {
    const { near, far } = await connected();
    near.socket.send(Uint8Array.of(1, 2, 3));
    far.socket.send(new Uint8Array(0));
    far.socket.send(new Uint8Array(70_000).fill(9));
    await far.until(() => far.messages.length === 1);
    await near.until(() => near.messages.length === 2);
    expect([...far.messages[0]!]).toEqual([1, 2, 3]);
    expect(far.messages[0]!.constructor).toBe(Uint8Array);
    expect(near.messages.map((message) => message.length)).toEqual([0, 70_000]);
    expect(far.socket.remote).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('is refused where nobody listens', async () => {
    const [port] = await freePorts(1);
    expect(await dial(`ws://127.0.0.1:${port}/here`)).toMatchObject({ kind: 'refused' });
    // A name with an IPv4 and an IPv6 address fails with two errors in one.
    expect(await dial(`ws://localhost:${port}/here`)).toMatchObject({ kind: 'refused' });
  });

  test('is refused by one that cuts the connection, as a process does that dies', async () => {
    const url = await serve(createTcpServer((socket) => socket.resetAndDestroy()));
    expect(await dial(url)).toMatchObject({ kind: 'refused' });
  });

  test('times out where nothing is ever answered', async () => {
    const url = await serve(createTcpServer((socket) => cleanups.push(() => socket.destroy())));
    expect(await dial(url, { timeoutMs: 50 })).toMatchObject({ kind: 'timeout' });
  });

  test('times out on an answer that comes a byte at a time and never ends', async () => {
    const url = await serve(
      createTcpServer((socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nx: ');
        const drip = setInterval(() => socket.write('a'), 5);
        socket.on('error', () => {});
        socket.on('close', () => clearInterval(drip));
        cleanups.push(() => socket.destroy());
      }),
    );
    expect(await dial(url, { timeoutMs: 80 })).toMatchObject({ kind: 'timeout' });
  });

  test('is rejected by an HTTP answer, with its status and what it says', async () => {
    const url = await serve(
      createHttpServer((_request, response) => response.writeHead(401).end('a token\u0007 is needed\n')),
    );
    expect(await dial(url)).toEqual({ kind: 'rejected', status: 401, message: 'a token  is needed' });
  });

  test('does not follow a redirect', async () => {
    const { url } = await listen();
    const away = await serve(
      createHttpServer((_request, response) => response.writeHead(302, { location: url }).end()),
    );
    expect(await dial(away)).toMatchObject({ kind: 'rejected', status: 302 });
  });

  test('fails on a name that is none, and on a URL that is none', async () => {
    expect(await dial('ws://no-such-host.invalid:1/here')).toMatchObject({ kind: 'timeout' });
    expect(await dial('nothing of the kind')).toMatchObject({ kind: 'timeout' });
  });

  test('shows its token', async () => {
    const asked: UpgradeRequest[] = [];
    const { url } = await listen({
      authorize: (request) => {
        asked.push(request);
        return { allowed: true };
      },
    });
    expect(await dial(url, { token: 'abc' })).toBeInstanceOf(Peer);
    expect(asked).toEqual([
      {
        upgrade: true,
        method: 'GET',
        target: '/here',
        host: new URL(url).host,
        origin: undefined,
        authorization: 'Bearer abc',
        remoteAddress: '127.0.0.1',
      },
    ]);
  });
});

describe('a listener', () => {
  test('turns a caller away before a WebSocket exists, with what its judge says', async () => {
    const { url } = await listen({ authorize: () => ({ allowed: false, status: 403, message: 'not you' }) });
    expect(await dial(url)).toEqual({ kind: 'rejected', status: 403, message: 'not you' });
  });

  test('has one path and one subprotocol', async () => {
    const { url } = await listen();
    expect(await dial(`${url}/else`)).toMatchObject({ kind: 'rejected', status: 404 });
    expect(await dial(`${url}?query=1`)).toBeInstanceOf(Peer);
    expect(await dial(url, { protocol: 'test.v2' })).toEqual({
      kind: 'rejected',
      status: 400,
      message: 'the subprotocol spoken here is test.v1',
    });
  });

  test('turns browsers away where it should', async () => {
    const { url } = await listen();
    const status = await new Promise<number | undefined>((resolve) => {
      const page = new WebSocket(url, 'test.v1', { origin: 'http://evil.example' });
      page.on('error', () => {});
      page.on('unexpected-response', (request, response) => {
        resolve(response.statusCode);
        request.destroy();
      });
    });
    expect(status).toBe(403);
  });

  test('answers plain HTTP, after the judge, with what it is', async () => {
    const allowed = await listen();
    const denied = await listen({ authorize: () => ({ allowed: false, status: 401, message: 'a token is needed' }) });
    expect(await get(allowed.url)).toEqual({ status: 426, text: 'this address speaks WebSocket only\n' });
    expect(await get(denied.url)).toEqual({ status: 401, text: 'a token is needed\n' });
  });

  test('is bounded in connections, and has room again when one ends', async () => {
    const listening = await listen({ connectionsMax: 2 });
    const first = await dial(listening.url);
    expect(await dial(listening.url)).toBeInstanceOf(Peer);
    expect(await dial(listening.url)).toMatchObject({ kind: 'rejected', status: 503 });
    const far = await listening.accepted();
    (first as Peer).socket.terminate();
    await far.closed();
    expect(await dial(listening.url)).toBeInstanceOf(Peer);
  });

  test('fails to start where another one listens', async () => {
    const { listener } = await listen();
    const second = new WsListener({
      host: '127.0.0.1',
      port: listener.port,
      path: '/here',
      protocol: 'test.v1',
      maxMessageBytes: 1,
      authorize: refuseBrowsers,
    });
    await expect(second.listen(() => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await second.close();
  });

  test('frees its address on close and leaves open sockets alone', async () => {
    const listening = await listen();
    const near = (await dial(listening.url)) as Peer;
    const far = await listening.accepted();
    const { port } = listening.listener;
    await listening.listener.close();
    expect(await dial(listening.url)).toMatchObject({ kind: 'refused' });
    await listen({ port });
    near.socket.send(Uint8Array.of(1));
    await far.until(() => far.messages.length === 1);
  });

  test('lives through garbage where HTTP should be', async () => {
    const { url } = await listen();
    const { port } = new URL(url);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.end(Buffer.alloc(100_000, 0xfe)));
      socket.resume();
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
    expect(await dial(url)).toBeInstanceOf(Peer);
  });
});

describe('a socket', () => {
  test('closes in order, with the code and the reason, cut to what fits', async () => {
    const { near, far } = await connected();
    near.socket.send(Uint8Array.of(7));
    near.socket.close(4000, 'ü'.repeat(100));
    expect(await far.closed()).toEqual({ code: 4000, reason: 'ü'.repeat(61) });
    expect(far.messages.length).toBe(1);
    expect((await near.closed()).code).toBe(4000);
    near.socket.send(Uint8Array.of(8));
    near.socket.close(4000, 'again');
    near.socket.terminate();
  });

  test('hears nothing more once it has closed', async () => {
    const { near, far } = await connected();
    for (let count = 0; count < 50; count += 1) far.socket.send(new Uint8Array(100_000));
    near.socket.close(1000, '');
    await far.closed();
    await near.closed();
    expect(near.messages.length).toBe(0);
  });

  test('ends at once on terminate, which the other end sees as a break', async () => {
    const { near, far } = await connected();
    near.socket.terminate();
    expect((await near.closed()).code).toBe(1006);
    expect((await far.closed()).code).toBe(1006);
  });

  test('closes on a message over the bound, and on text', async () => {
    const { near, far } = await connected({ maxMessageBytes: 1_000 });
    near.socket.send(new Uint8Array(1_001));
    expect((await near.closed()).code).toBe(1009);
    expect(far.messages.length).toBe(0);
    const { url, accepted } = await listen();
    const talker = new WebSocket(url, 'test.v1');
    talker.on('open', () => talker.send('words'));
    const closed = new Promise<number>((resolve) => talker.on('close', resolve));
    const listener = await accepted();
    expect(await closed).toBe(1003);
    expect(listener.messages.length).toBe(0);
  });

  test('takes the largest message in pieces as small as a narrow line makes them', async () => {
    const sizeBytes = 2_520_000;
    const { accepted, listener } = await listen({ maxMessageBytes: sizeBytes });
    const stream = connect({ host: '127.0.0.1', port: listener.port, noDelay: true });
    cleanups.push(() => stream.destroy());
    stream.write(
      'GET /here HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: test.v1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    const peer = await accepted();
    const header = Buffer.alloc(14);
    header.writeUInt8(0x82, 0);
    header.writeUInt8(0xff, 1);
    header.writeBigUInt64BE(BigInt(sizeBytes), 2);
    stream.write(header);
    const piece = Buffer.alloc(600, 7);
    for (let sent = 0; sent < sizeBytes && peer.close === undefined; sent += piece.length) {
      stream.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.until(() => peer.messages.length > 0 || peer.close !== undefined);
    expect(peer.close).toBeUndefined();
    expect(peer.messages[0]?.length).toBe(sizeBytes);
  });

  test('counts what waits while the other end does not read, and tells once it may go on', async () => {
    const { near, far } = await connected();
    far.socket.pause();
    const size = 256 * 1024;
    let sent = 0;
    // Until more waits than the network between both takes by itself, however often it was asked.
    for (let full = 0; full < 20;) {
      near.socket.send(new Uint8Array(size));
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
      full = near.socket.bufferedBytes > DRAIN_HIGH_BYTES * 2 ? full + 1 : 0;
    }
    const before = near.drains;
    far.socket.resume();
    await near.until(() => near.drains > before);
    await far.until(() => far.messages.length === sent);
    expect(near.drains).toBe(before + 1);
    expect(near.socket.bufferedBytes).toBe(0);
  });

  test('closes in order though its owner had stopped reading', async () => {
    const { near, far } = await connected();
    near.socket.pause();
    for (let count = 0; count < 10; count += 1) far.socket.send(new Uint8Array(100_000));
    near.socket.close(1000, 'enough');
    expect((await near.closed()).code).toBe(1000);
    expect((await far.closed()).reason).toBe('enough');
  });

  test('writes what one event sends in one piece', async () => {
    const { peer, far, chunks } = await tapped();
    chunks.length = 0;
    for (let count = 0; count < 50; count += 1) peer.socket.send(Uint8Array.of(count));
    await far.until(() => far.messages.length === 50);
    expect(far.messages.map((message) => message[0])).toEqual(Array.from({ length: 50 }, (_, at) => at));
    expect(chunks.length).toBe(1);
  });

  test('sends masked frames whose mask is zero, so that no pass over the bytes is needed', async () => {
    const { peer, far, chunks } = await tapped();
    peer.socket.send(Buffer.from('plain to see'));
    await far.until(() => far.messages.length === 1);
    const frame = Buffer.concat(chunks).subarray(-18);
    // Final binary frame; masked, 12 bytes; mask; payload.
    expect([...frame.subarray(0, 6)]).toEqual([0x82, 0x80 | 12, 0, 0, 0, 0]);
    expect(frame.subarray(6).toString()).toBe('plain to see');
  });
});

/** A connection whose dialer's bytes pass by us, a chunk for each read. */
async function tapped(): Promise<{ peer: Peer; far: Peer; chunks: Buffer[] }> {
  const chunks: Buffer[] = [];
  const { url, accepted } = await listen();
  const between = createTcpServer((near) => {
    const far = connect(Number(new URL(url).port), '127.0.0.1');
    near.on('data', (chunk) => chunks.push(chunk));
    near.pipe(far);
    far.pipe(near);
    cleanups.push(() => near.destroy());
  });
  const peer = (await dial(await serve(between))) as Peer;
  return { peer, far: await accepted(), chunks };
}

function get(url: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    httpRequest(url.replace('ws:', 'http:'), (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    })
      .on('error', reject)
      .end();
  });
}
