import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { SILENT_LOGGER } from '../../src/base/logger.ts';
import { peerId, type PeerId } from '../../src/base/ids.ts';
import { deriveSeed, SeededRandom } from '../../src/base/random.ts';
import type { Dialer, Listener } from '../../src/base/socket.ts';
import type { Timers } from '../../src/base/clock.ts';
import { refuseBrowsers } from '../../src/base/upgrade.ts';
import { hmacSha256 } from '../../src/system/crypto.ts';
import { REAL_TIMERS } from '../../src/system/real-clock.ts';
import { RealRandom } from '../../src/system/real-random.ts';
import { WsDialer } from '../../src/system/ws-dialer.ts';
import { WsListener } from '../../src/system/ws-listener.ts';
import type { Random } from '../../src/base/random.ts';
import { SocketTransport } from '../../src/transport/socket-transport.ts';
import { JOINING_MAX, PEER_PATH, PEER_PROTOCOL, STRANGER_BYTES_MAX } from '../../src/transport/timings.ts';
import { FRAME_BYTES_MAX } from '../../src/transport/transport.ts';
import { describeTransport } from './conformance.ts';
import { type MakeOptions, P1, P2, P3, RecordingPeer, type TransportWorld } from './harness.ts';
import { MemoryNetwork, VirtualTime } from './memory-network.ts';
import { freePorts } from '../system/free-ports.ts';

interface Sockets {
  readonly timers: Timers;
  readonly random: Random;
  readonly dialer: Dialer;
  listener(at: PeerId): Listener;
  url(of: PeerId): string;
}

const PEERS = [P1, P2, P3];

function transportOver(sockets: Sockets, self: PeerId, options: MakeOptions): SocketTransport {
  return new SocketTransport(
    {
      self,
      clusterId: options.clusterId ?? 'test-cluster',
      members: (options.members ?? PEERS).map((peer) => ({ peer, url: sockets.url(peer) })),
      fingerprint: options.fingerprint ?? 'tickMs=10',
      differences: (own, other) => (own === other ? [] : [own.split('=')[0] as string]),
      ...(options.secret === undefined ? {} : { secret: new TextEncoder().encode(options.secret) }),
      ...(options.timings === undefined ? {} : { timings: options.timings }),
    },
    {
      dialer: sockets.dialer,
      listener: sockets.listener(self),
      timers: sockets.timers,
      random: sockets.random,
      hmac: hmacSha256,
      logger: SILENT_LOGGER,
    },
  );
}

function memorySockets(network: MemoryNetwork, seed: number): Sockets {
  const url = (of: PeerId): string => `memory://${of}`;
  return {
    timers: network.time,
    random: new SeededRandom(deriveSeed(seed, 'transport')),
    dialer: network,
    listener: (at) => network.listener(url(at), FRAME_BYTES_MAX),
    url,
  };
}

function memoryWorld(network: MemoryNetwork = new MemoryNetwork(new VirtualTime()), seed = 1): TransportWorld {
  const sockets = memorySockets(network, seed);
  return {
    ...sockets,
    make: (self, options = {}) => transportOver(sockets, self, options),
    async until(condition) {
      for (let events = 0; !condition(); events += 1) {
        expect(events).toBeLessThan(100_000);
        network.time.step();
        await Promise.resolve();
      }
    },
    async settle() {
      network.time.advance(500);
      await Promise.resolve();
    },
    async end() {},
  };
}

async function webSocketWorld(): Promise<TransportWorld> {
  const ports = await freePorts(PEERS.length);
  const portOf = (peer: PeerId): number => ports[PEERS.indexOf(peer)] as number;
  const sockets: Sockets = {
    timers: REAL_TIMERS,
    random: new RealRandom(),
    dialer: new WsDialer(),
    url: (of) => `ws://127.0.0.1:${portOf(of)}${PEER_PATH}`,
    listener: (at) =>
      new WsListener({
        host: '127.0.0.1',
        port: portOf(at),
        path: PEER_PATH,
        protocol: PEER_PROTOCOL,
        maxMessageBytes: FRAME_BYTES_MAX,
        strangerBytesMax: STRANGER_BYTES_MAX,
        authorize: refuseBrowsers,
      }),
  };
  let ended = false;
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    ...sockets,
    make: (self, options = {}) => transportOver(sockets, self, options),
    async until(condition) {
      while (!condition()) {
        // The test has run out of time: nobody waits for the condition any more.
        if (ended) throw new Error('the world has ended');
        await turn();
      }
    },
    async settle() {
      for (let turns = 0; turns < 100; turns += 1) await turn();
    },
    async end() {
      ended = true;
    },
  };
}

describeTransport('a transport over sockets in memory', async () => memoryWorld());
describeTransport('a transport over WebSockets on loopback', webSocketWorld);

test('a stranger makes a peer hold no more than a handshake takes, and who has proved himself sends what he likes', async () => {
  const world = await webSocketWorld();
  const peers = [new RecordingPeer(P1), new RecordingPeer(P2)];
  // No deadline ends it: only what it sends does.
  const timings = { handshakeTimeoutMs: 1_000_000 };
  const transports = [world.make(P1, { timings }), world.make(P2, { timings })];
  await transports[0]!.start(peers[0]!);
  await transports[1]!.start(peers[1]!);
  // A message is announced that would be allowed, and does not come to its end.
  const [host, port] = world.url(P1).slice('ws://'.length).split(/[:/]/) as [string, string];
  const raw = connect(Number(port), host);
  let closed = false;
  raw.on('close', () => (closed = true));
  raw.on('error', () => {});
  raw.once('data', () => {
    raw.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0]));
    raw.write(new Uint8Array(2 * STRANGER_BYTES_MAX));
  });
  raw.write(
    `GET ${PEER_PATH} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${PEER_PROTOCOL}\r\n\r\n`,
  );
  await world.until(() => closed && transports[0]!.connectedTo(P2));
  transports[0]!.send(P2, 'bulk', new Uint8Array(2 * STRANGER_BYTES_MAX));
  transports[0]!.send(P2, 'bulk', new Uint8Array(2 * STRANGER_BYTES_MAX));
  await world.until(() => peers[1]!.frames.length === 2);
  await Promise.all(transports.map((transport) => transport.stop()));
  await world.end();
});

describe('a transport in virtual time', () => {
  interface Started {
    readonly one: RecordingPeer;
    readonly two: RecordingPeer;
    stop(): Promise<unknown>;
    stopTwo(): Promise<unknown>;
  }

  const start = async (network: MemoryNetwork): Promise<Started> => {
    const world = memoryWorld(network);
    const [one, two] = [new RecordingPeer(P1), new RecordingPeer(P2)];
    const transports = [world.make(P1, { members: [P1, P2] }), world.make(P2, { members: [P1, P2] })];
    await transports[0]!.start(one);
    await transports[1]!.start(two);
    network.time.advance(3_000);
    expect([one.links, two.links]).toEqual([['connected p2'], ['connected p1']]);
    const stop = (): Promise<unknown> => Promise.all(transports.map((transport) => transport.stop()));
    return { one, two, stop, stopTwo: () => transports[1]!.stop() };
  };

  test('one that ends is known to be gone as soon as a dial can tell', async () => {
    const network = new MemoryNetwork(new VirtualTime());
    const { one, stopTwo } = await start(network);
    await stopTwo();
    // A crossing for the end, one for the dial; a pause would take at least ten more.
    network.time.advance(3);
    expect(one.links).toEqual(['connected p2', 'disconnected p2', 'redialed p2 refused']);
  });

  test('a host that vanishes without a word is given up after six pings and its dial says nothing', async () => {
    const network = new MemoryNetwork(new VirtualTime());
    const { one } = await start(network);
    network.silence('memory://p2');
    network.time.advance(4_500);
    expect(one.links).toEqual(['connected p2']);
    network.time.advance(4_000);
    expect(one.links).toEqual(['connected p2', 'disconnected p2', 'redialed p2 timeout']);
  });

  test('when it is heard again both are connected within the longest pause', async () => {
    const network = new MemoryNetwork(new VirtualTime());
    const { one, two } = await start(network);
    network.silence('memory://p2');
    network.time.advance(60_000);
    network.hear('memory://p2');
    network.time.advance(2_100);
    expect(one.links.at(-1)).toBe('connected p2');
    expect(two.links.at(-1)).toBe('connected p1');
  });

  test('a slow line that moves is never cut, however much waits on it', async () => {
    const network = new MemoryNetwork(new VirtualTime());
    const world = memoryWorld(network);
    const [one, two] = [new RecordingPeer(P1), new RecordingPeer(P2)];
    const [left, right] = [world.make(P1), world.make(P2)];
    await left.start(one);
    await right.start(two);
    network.time.advance(1_500);
    // 1 MiB takes ten seconds: far longer than an answer may take when nothing moves.
    network.bytesPerMs = 105;
    for (let count = 0; count < 4; count += 1) left.send(P2, 'bulk', new Uint8Array(1024 * 1024).fill(1));
    for (let count = 0; count < 400; count += 1) left.send(P2, 'bulk', new Uint8Array(64).fill(1));
    network.time.advance(60_000);
    expect(one.links).toContain('connected p2');
    expect(two.frames.length).toBe(404);
  });

  test('a peer that is back is dialed as soon as it calls, in the middle of a pause', async () => {
    const network = new MemoryNetwork(new VirtualTime());
    const world = memoryWorld(network);
    const [one, two] = [new RecordingPeer(P1), new RecordingPeer(P2)];
    await world.make(P1).start(one);
    network.time.advance(30_000);
    await world.make(P2).start(two);
    // Some crossings of a millisecond each, where a pause has 500 and more.
    network.time.advance(40);
    expect([one.links, two.links]).toEqual([['connected p2'], ['connected p1']]);
  });

  test('of those that want to join only so many stay connected, and peers are never turned away for them', async () => {
    const network = new MemoryNetwork(new VirtualTime());
    const sockets = memorySockets(network, 5);
    const one = transportOver(sockets, P1, { members: [P1, P2] });
    const crowd = Array.from({ length: JOINING_MAX + 2 }, (_, at) => peerId(`x${10 + at}`));
    const watched = crowd.map((peer) => new RecordingPeer(peer));
    await one.start(new RecordingPeer(P1));
    for (const [at, peer] of crowd.entries()) {
      await transportOver(sockets, peer, { members: [P1, peer] }).start(watched[at]!);
    }
    network.time.advance(3_000);
    const turnedAway = watched.filter((peer) => peer.has('refused p1 them UNKNOWN_MEMBER')).length;
    expect([one.joining().length, turnedAway]).toEqual([JOINING_MAX, 2]);
    await transportOver(sockets, P2, { members: [P1, P2] }).start(new RecordingPeer(P2));
    network.time.advance(3_000);
    expect(one.connectedTo(P2)).toBe(true);
  });

  test('the same seed tells the same story', async () => {
    const stories: string[][] = [];
    for (let run = 0; run < 2; run += 1) {
      const network = new MemoryNetwork(new VirtualTime());
      const { one, two, stop } = await start(network);
      network.silence('memory://p1');
      network.time.advance(20_000);
      network.hear('memory://p1');
      network.time.advance(5_000);
      stories.push([...one.log, ...two.log, String(network.time.monotonicMs())]);
      await stop();
    }
    expect(stories[0]).toEqual(stories[1]);
    expect(stories[0]!.length).toBeGreaterThan(8);
  });

  test('pauses between dials grow and stay within their bounds', async () => {
    const network = new MemoryNetwork(new VirtualTime());
    const dials: number[] = [];
    const watched: Dialer = {
      dial: (url, options, handlers) => {
        dials.push(network.time.monotonicMs());
        network.dial(url, options, handlers);
      },
    };
    const transport = transportOver({ ...memorySockets(network, 3), dialer: watched }, P1, { members: [P1, P2] });
    await transport.start(new RecordingPeer(P1));
    network.time.advance(20_000);
    // One millisecond of each gap is the refusal's way.
    const pauses = dials.slice(1).map((at, index) => at - (dials[index] as number) - 1);
    expect(pauses[0]).toBeGreaterThanOrEqual(10);
    expect(pauses[0]).toBeLessThanOrEqual(21);
    expect(Math.min(...pauses.slice(6))).toBeGreaterThanOrEqual(500);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_001);
    expect(new Set(pauses.slice(6)).size).toBeGreaterThan(5);
    await transport.stop();
  });
});

test('the HMAC is the one of RFC 4231', () => {
  const proof = hmacSha256(new TextEncoder().encode('Jefe'), new TextEncoder().encode('what do ya want for nothing?'));
  expect(Buffer.from(proof).toString('hex')).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  expect(createHmac('sha256', 'Jefe').update('what do ya want for nothing?').digest()).toEqual(Buffer.from(proof));
});
