import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import { SILENT_LOGGER } from '../../src/base/logger.ts';
import type { DialFailure, DialHandlers, Socket, SocketClose } from '../../src/base/socket.ts';
import { hmacSha256 } from '../../src/system/crypto.ts';
import { SocketTransport } from '../../src/transport/socket-transport.ts';
import { PEER_PATH, PEER_PROTOCOL } from '../../src/transport/timings.ts';
import { SimNetwork } from '../../sim/network.ts';
import { CALM_NETWORK } from '../../sim/options.ts';
import { SimProcess } from '../../sim/process.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';
import { describeTransport } from '../transport/conformance.ts';
import { P1, P2, P3, type TransportWorld } from '../transport/harness.ts';
import { Drive } from './support/drive.ts';

const CLOCK = { rate: 1, skewMs: 0, lookUs: 0 };
const PORT = 7401;

class Net {
  readonly world = new World(1, new Trace());
  readonly network = new SimNetwork(this.world, CALM_NETWORK);
  readonly drive = new Drive(this.world);
  #processes = 0;

  process(host: string): SimProcess {
    this.#processes += 1;
    return new SimProcess(this.world, host, `${host}#${this.#processes}`, CLOCK);
  }
}

const url = (of: string): string => `ws://${of}:${PORT}${PEER_PATH}`;

describeTransport('SocketTransport over the simulated network', async (): Promise<TransportWorld> => {
  const net = new Net();
  const outsider = net.process('x');
  return {
    make: (self, options = {}) => {
      const process = net.process(self);
      return new SocketTransport(
        {
          self,
          clusterId: options.clusterId ?? 'test-cluster',
          members: (options.members ?? [P1, P2, P3]).map((peer) => ({ peer, url: url(peer) })),
          fingerprint: options.fingerprint ?? 'tickMs=10',
          differences: (own, other) => (own === other ? [] : [own.split('=')[0] as string]),
          ...(options.secret === undefined ? {} : { secret: new TextEncoder().encode(options.secret) }),
          ...(options.timings === undefined ? {} : { timings: options.timings }),
        },
        {
          dialer: net.network.dialer(process),
          listener: net.network.listener(process, PORT),
          timers: process.timers,
          random: process.random,
          hmac: hmacSha256,
          logger: SILENT_LOGGER,
        },
      );
    },
    dialer: net.network.dialer(outsider),
    listener: (at: PeerId) => net.network.listener(net.process(at), PORT),
    url,
    timers: outsider.timers,
    until: (condition) => net.drive.until(condition),
    settle: () => net.world.run(net.world.nowUs + 500_000),
    end: () => Promise.resolve(),
  };
});

/** One end of a connection, with what it heard. */
class End {
  socket: Socket | undefined;
  readonly heard: number[] = [];
  close: SocketClose | undefined;
  failure: DialFailure | undefined;

  readonly take = (socket: Socket): void => {
    this.socket = socket;
    socket.handle({
      message: (bytes) => this.heard.push(bytes[0] as number),
      closed: (close) => (this.close = close),
    });
  };

  get handlers(): DialHandlers {
    return { opened: this.take, failed: (failure) => (this.failure = failure) };
  }

  send(value: number): void {
    this.socket?.send(Uint8Array.of(value));
  }
}

describe('the simulated network', () => {
  const OPTIONS = { timeoutMs: 1_000, maxMessageBytes: 1_000_000, protocol: PEER_PROTOCOL };

  interface Pair {
    readonly net: Net;
    readonly near: End;
    readonly far: End;
    readonly server: SimProcess;
  }

  async function pair(): Promise<Pair> {
    const net = new Net();
    const server = net.process('p2');
    const [near, far] = [new End(), new End()];
    await net.network.listener(server, PORT).listen(far.take);
    net.network.dialer(net.process('p1')).dial(url('p2'), OPTIONS, near.handlers);
    await net.drive.until(() => near.socket !== undefined);
    return { net, near, far, server };
  }

  const pass = (net: Net, ms: number): Promise<void> => net.world.run(net.world.nowUs + ms * 1_000);

  test('refuses a dial to a killed process and lets one to a dead host run into its timeout', async () => {
    const { net, server } = await pair();
    server.kill();
    net.network.processKilled(server);
    const refused = new End();
    net.network.dialer(net.process('p1')).dial(url('p2'), OPTIONS, refused.handlers);
    await net.drive.until(() => refused.failure !== undefined);
    expect(refused.failure?.kind).toBe('refused');
    net.network.hostDown('p2');
    const silent = new End();
    net.network.dialer(net.process('p1')).dial(url('p2'), OPTIONS, silent.handlers);
    await net.drive.until(() => silent.failure !== undefined);
    expect(silent.failure?.kind).toBe('timeout');
  });

  test('tells the other end of a killed process, and not that of a dead host until it speaks to its successor', async () => {
    const killed = await pair();
    killed.server.kill();
    killed.net.network.processKilled(killed.server);
    await killed.net.drive.until(() => killed.near.close !== undefined);
    expect(killed.near.close?.code).toBe(1006);
    const dead = await pair();
    dead.server.kill();
    dead.net.network.hostDown('p2');
    dead.net.network.processKilled(dead.server);
    dead.near.send(1);
    await pass(dead.net, 10_000);
    expect(dead.near.close).toBeUndefined();
    dead.net.network.hostUp('p2');
    dead.near.send(2);
    await dead.net.drive.until(() => dead.near.close !== undefined);
  });

  test('holds what is sent over a cut link until it heals, and cuts one direction alone', async () => {
    const { net, near, far } = await pair();
    net.network.cut('p1', 'p2');
    near.send(1);
    near.send(2);
    far.send(3);
    await pass(net, 5_000);
    expect([near.heard, far.heard]).toEqual([[3], []]);
    net.network.heal('p1', 'p2');
    await net.drive.until(() => far.heard.length === 2);
    expect(far.heard).toEqual([1, 2]);
  });

  test('loses a suffix and nothing else when a connection breaks, and tells both ends', async () => {
    const { net, near, far } = await pair();
    const socket = net.network.standing[0];
    expect(socket).toBeDefined();
    for (let value = 1; value <= 20; value += 1) near.send(value);
    if (socket !== undefined) net.network.breakConnection(socket);
    for (let value = 21; value <= 30; value += 1) near.send(value);
    await net.drive.until(() => near.close !== undefined && far.close !== undefined);
    expect(far.heard).toEqual(Array.from({ length: far.heard.length }, (_, at) => at + 1));
    expect(far.heard.length).toBeLessThanOrEqual(20);
  });

  test('lets a paused process hear everything, in order, when it goes on', async () => {
    const { net, near, far, server } = await pair();
    server.pause();
    near.send(1);
    near.send(2);
    await pass(net, 5_000);
    expect(far.heard).toEqual([]);
    server.resume();
    await net.drive.until(() => far.heard.length === 2);
    expect(far.heard).toEqual([1, 2]);
  });
});
