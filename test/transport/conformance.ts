import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import type { PeerId } from '../../src/base/ids.ts';
import { SeededRandom } from '../../src/base/random.ts';
import type { DialFailure, Socket, SocketClose } from '../../src/base/socket.ts';
import { DialerHandshake } from '../../src/transport/handshake.ts';
import { PEER_PROTOCOL } from '../../src/transport/timings.ts';
import { FRAME_BYTES_MAX, type Transport } from '../../src/transport/transport.ts';
import { describeChangingPeers, type Started } from './changing-peers.ts';
import { factsOf, type MakeOptions, P1, P2, P3, RecordingPeer, type TransportWorld } from './harness.ts';

/** Short pauses, so that real sockets are quick; everything else as in the product. */
const QUICK = { backoffMinMs: 2, backoffMaxMs: 10, pingMs: 20 };

/** What every transport does, whatever carries its bytes. */
export function describeTransport(name: string, makeWorld: () => Promise<TransportWorld>): void {
  describe(name, () => {
    let world: TransportWorld;
    let running: Transport[];

    beforeEach(async () => {
      world = await makeWorld();
      running = [];
    });

    afterEach(async () => {
      await Promise.all(running.map((transport) => transport.stop()));
      await world.end();
    });

    const start = async (self: PeerId, options: MakeOptions = {}, peer = new RecordingPeer(self)): Promise<Started> => {
      const transport = world.make(self, { timings: QUICK, ...options });
      running.push(transport);
      await transport.start(peer);
      return { peer, transport };
    };

    const startPair = async (options: MakeOptions = {}): Promise<[Started, Started]> => {
      const one = await start(P1, options);
      const two = await start(P2, options);
      await world.until(() => one.transport.connectedTo(P2) && two.transport.connectedTo(P1));
      return [one, two];
    };

    const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

    test('three peers connect with each other and tell their facts before any frame', async () => {
      const peers = [await start(P1), await start(P2), await start(P3)];
      await world.until(() => peers.every(({ peer }) => peer.links.length === 2));
      const [one] = peers as [Started, Started, Started];
      expect(one.peer.links.toSorted()).toEqual(['connected p2', 'connected p3']);
      expect(one.peer.log.indexOf('hello p2 p2-first empty knows me not')).toBeLessThan(
        one.peer.log.indexOf('connected p2'),
      );
    });

    test('frames arrive whole, once and in order on each lane', async () => {
      const [one, two] = await startPair();
      for (let at = 1; at <= 200; at += 1) {
        one.transport.send(P2, at % 2 === 0 ? 'bulk' : 'control', new Uint8Array(at).fill(at));
      }
      await world.until(() => two.peer.frames.length === 200);
      for (const lane of ['bulk', 'control'] as const) {
        const got = two.peer.frames.filter((frame) => frame.lane === lane);
        expect(got.map((frame) => frame.bytes.length)).toEqual(
          Array.from({ length: 100 }, (_, at) => (lane === 'bulk' ? 2 : 1) + at * 2),
        );
        expect(
          got.every((frame) => frame.from === P1 && frame.bytes.every((byte) => byte === frame.bytes.length)),
        ).toBe(true);
      }
    });

    test('a frame is a plain array of bytes of which a slice is a copy', async () => {
      const [one, two] = await startPair();
      one.transport.send(P2, 'control', bytes(1, 2, 3));
      await world.until(() => two.peer.frames.length === 1);
      const got = two.peer.frames[0]!.bytes;
      const copy = got.slice(1);
      got[1] = 9;
      expect([...copy]).toEqual([2, 3]);
    });

    test('frames of a zero byte are frames like all others', async () => {
      const [one, two] = await startPair();
      one.transport.send(P2, 'control', bytes(0));
      one.transport.send(P2, 'control', bytes(0, 0));
      await world.until(() => two.peer.frames.length === 2);
      expect(two.peer.frames.map((frame) => [...frame.bytes])).toEqual([[0], [0, 0]]);
    });

    test('the largest frame crosses', async () => {
      const [one, two] = await startPair();
      one.transport.send(P2, 'bulk', new Uint8Array(FRAME_BYTES_MAX).fill(7));
      expect(one.transport.bufferedBytes(P2)).toBeGreaterThan(0);
      await world.until(() => two.peer.frames.length === 1);
      expect(two.peer.frames[0]!.bytes.length).toBe(FRAME_BYTES_MAX);
    });

    test('what is sent while nobody is connected is dropped', async () => {
      const one = await start(P1);
      one.transport.send(P2, 'bulk', bytes(1));
      expect(one.transport.bufferedBytes(P2)).toBe(0);
      const two = await start(P2);
      await world.until(() => one.transport.connectedTo(P2));
      one.transport.send(P2, 'bulk', bytes(2));
      await world.until(() => two.peer.frames.length === 1);
      expect([...two.peer.frames[0]!.bytes]).toEqual([2]);
    });

    test('the bulk lane is bounded in bytes, drops what is beyond, and does not hold up the control lane', async () => {
      const [one, two] = await startPair({ timings: { ...QUICK, bulkBytesMax: 8 * 1024 * 1024 } });
      let sentBulk = 0;
      while (one.transport.bufferedBytes(P2) < 7 * 1024 * 1024) {
        one.transport.send(P2, 'bulk', new Uint8Array(1024 * 1024).fill(1));
        sentBulk += 1;
      }
      for (let extra = 0; extra < 20; extra += 1) one.transport.send(P2, 'bulk', new Uint8Array(1024 * 1024).fill(2));
      expect(one.transport.bufferedBytes(P2)).toBeLessThanOrEqual(8 * 1024 * 1024 + 64);
      one.transport.send(P2, 'control', bytes(3));
      await world.until(() => two.peer.frames.some((frame) => frame.lane === 'control'));
      const before = two.peer.frames.findIndex((frame) => frame.lane === 'control');
      expect(before).toBeLessThan(sentBulk);
      await world.until(() => one.transport.bufferedBytes(P2) === 0 && two.peer.frames.length > sentBulk);
      await world.settle();
      const extras = two.peer.frames.filter((frame) => frame.lane === 'bulk' && frame.bytes[0] === 2);
      expect(extras.length).toBeLessThan(20);
      expect(one.peer.links).toEqual(['connected p2']);
    });

    test('a peer that goes away is missed at once, its dial refused, and it is found again when it is back', async () => {
      const [one, two] = await startPair();
      await world.until(() => lived(one, two));
      await two.transport.stop();
      await world.until(() => one.peer.has('redialed p2 refused'));
      expect(one.peer.links).toEqual(['connected p2', 'disconnected p2', 'redialed p2 refused']);
      expect(one.transport.connectedTo(P2)).toBe(false);
      const again = await start(P2);
      await world.until(() => one.transport.connectedTo(P2) && again.transport.connectedTo(P1));
      one.transport.send(P2, 'bulk', bytes(5));
      await world.until(() => again.peer.frames.length === 1);
      expect(one.peer.links.slice(3)).toEqual(['connected p2']);
    });

    /** A link that has lived for a ping is dialed at once when it breaks; wait until both have. */
    const lived = (one: Started, two: Started): boolean => {
      if (ticks === undefined) {
        ticks = 0;
        world.timers.after(QUICK.pingMs * 2, () => (ticks = 1));
      }
      return ticks === 1 && one.transport.connectedTo(P2) && two.transport.connectedTo(P1);
    };
    let ticks: number | undefined;
    beforeEach(() => (ticks = undefined));

    test('links stay up while nothing is sent', async () => {
      const [one, two] = await startPair();
      let passed = false;
      world.timers.after(QUICK.pingMs * 25, () => (passed = true));
      await world.until(() => passed);
      expect(one.peer.links).toEqual(['connected p2']);
      expect(two.peer.links).toEqual(['connected p1']);
    });

    test('after stop nothing is told any more, and stop may be repeated', async () => {
      const [one, two] = await startPair();
      const told = one.peer.log.length;
      await one.transport.stop();
      await one.transport.stop();
      one.transport.send(P2, 'control', bytes(1));
      await world.until(() => two.peer.has('disconnected p1'));
      await world.settle();
      expect(one.peer.log.length).toBe(told);
      expect(one.transport.connectedTo(P2)).toBe(false);
      expect(two.peer.frames).toEqual([]);
    });

    test('an address that is taken fails the start', async () => {
      await start(P1);
      const second = world.make(P1);
      await expect(second.start(new RecordingPeer(P1))).rejects.toThrow(/taken|EADDRINUSE/);
      await second.stop();
    });

    test('announcing tells the facts again', async () => {
      const [one, two] = await startPair();
      one.peer.own = () => factsOf(P1, { logEmpty: false, knownIncarnation: 'p2-first' });
      one.transport.announce();
      await world.until(() => two.peer.has('hello p1 p1-first with a log knows me as-this'));
      expect(two.peer.links).toEqual(['connected p1']);
    });

    test('a peer that declines is left out and told why, and both are connected once it agrees', async () => {
      const picky = new RecordingPeer(P1);
      picky.verdict = () => ({ refuse: 'not before the others have answered' });
      const one = await start(P1, {}, picky);
      const two = await start(P2);
      await world.until(() => two.peer.has('refused p1 them DECLINED') && one.peer.has('refused p2 us DECLINED'));
      expect(two.peer.refusals[0]!.sentence).toBe('not before the others have answered');
      expect(two.transport.refusedPeers()).toMatchObject([{ peer: P1, refusal: { code: 'DECLINED' } }]);
      expect(two.transport.connectedTo(P1)).toBe(false);
      picky.verdict = () => 'accept';
      await world.until(() => one.transport.connectedTo(P2) && two.transport.connectedTo(P1));
      expect([one, two].map(({ transport }) => transport.refusedPeers())).toEqual([[], []]);
    });

    test('a frame that the owner cannot read ends the connection and nothing else', async () => {
      const [one, two] = await startPair();
      two.peer.onFrame = (got) => {
        if (got[0] === 66) throw new DecodeError('no such message');
      };
      one.transport.send(P2, 'bulk', bytes(66));
      await world.until(() => one.peer.has('refused p2 them BAD_FRAME'));
      await world.until(() => one.transport.connectedTo(P2));
      one.transport.send(P2, 'bulk', bytes(67));
      await world.until(() => two.peer.frames.length === 1);
      expect(two.peer.refusals[0]!.sentence).toBe('a frame is not ours: no such message');
    });

    test('peers with the same secret connect; with another, or one without, they do not and say so', async () => {
      const one = await start(P1, { secret: 'correct horse battery staple' });
      const two = await start(P2, { secret: 'correct horse battery staple' });
      const three = await start(P3, { secret: 'tr0ub4dor and some more letters' });
      await world.until(() => one.transport.connectedTo(P2) && two.transport.connectedTo(P1));
      await world.until(
        () => three.peer.has('refused p1 them WRONG_SECRET') && three.peer.has('refused p2 them WRONG_SECRET'),
      );
      await three.transport.stop();
      const open = await start(P3);
      await world.until(() => open.peer.has('refused p1 them WRONG_SECRET'));
      expect(open.peer.refusals.map((refusal) => refusal.sentence)).toContain(
        'p1 has a secret for peers and p3 has none',
      );
      expect(one.transport.connectedTo(P3)).toBe(false);
      expect(open.transport.connectedTo(P1)).toBe(false);
    });

    test('a peer of another cluster and one with other settings are refused by name', async () => {
      const one = await start(P1, { members: [P1, P2] });
      const other = await start(P2, { clusterId: 'elsewhere' });
      await world.until(() => other.peer.has('refused p1 them WRONG_CLUSTER'));
      await other.transport.stop();
      const odd = await start(P2, { fingerprint: 'tickMs=20' });
      await world.until(() => odd.peer.has('refused p1 them CONFIG'));
      expect(odd.peer.refusals.map((refusal) => refusal.sentence)).toContain(
        'p2 and p1 have configurations that differ in tickMs',
      );
      expect(one.peer.links.filter((line) => line.startsWith('connected'))).toEqual([]);
    });

    test('a peer whose data directory was replaced is refused by those who know the old one', async () => {
      const knowing = new RecordingPeer(P1);
      knowing.own = () => factsOf(P1, { logEmpty: false, knownIncarnation: 'p2-before' });
      knowing.verdict = () => ({ refuse: 'p2 comes with another directory', code: 'INCARNATION' });
      const one = await start(P1, {}, knowing);
      const changed = new RecordingPeer(P2);
      changed.own = () => factsOf(P2, { logEmpty: false });
      const two = await start(P2, {}, changed);
      await world.until(() => one.peer.has('refused p2 us INCARNATION') && two.peer.has('refused p1 them INCARNATION'));
      await world.until(() => two.peer.has('hello p1 p1-first with a log knows me as-another'));
      expect(one.transport.connectedTo(P2)).toBe(false);
    });

    describeChangingPeers({ world: () => world, start, startPair });

    test('random bytes, silence and floods at the address leave the peers as they are', async () => {
      // No deadline and no silence ends the silent ones: only their number does.
      const [one, two] = await startPair({
        timings: { ...QUICK, handshakeTimeoutMs: 1_000_000, missedPingsMax: 100_000 },
      });
      const closes: SocketClose[] = [];
      const failures: DialFailure[] = [];
      const call = (first: Uint8Array | undefined): void =>
        world.dialer.dial(
          world.url(P1),
          { timeoutMs: 5_000, maxMessageBytes: 1_000, protocol: PEER_PROTOCOL },
          {
            opened: (socket: Socket) => {
              socket.handle({ message: () => {}, closed: (close) => closes.push(close) });
              if (first !== undefined) socket.send(first);
            },
            failed: (failure) => failures.push(failure),
          },
        );
      call(bytes(1, 2, 3));
      call(new Uint8Array(40_000).fill(255));
      call(new Uint8Array(0));
      await world.until(() => closes.length === 3);
      expect(closes.map((close) => close.code)).toEqual([1002, 1002, 1002]);
      // 64 may be silent at once.
      for (let count = 0; count < 80; count += 1) call(undefined);
      await world.until(() => closes.length + failures.length >= 3 + 80 - 64);
      one.transport.send(P2, 'control', bytes(1));
      two.transport.send(P1, 'control', bytes(2));
      await world.until(() => one.peer.frames.length === 1 && two.peer.frames.length === 1);
    });

    test('a message over the bound ends the connection', async () => {
      const sockets: Socket[] = [];
      await start(P1);
      let closed: SocketClose | undefined;
      world.dialer.dial(
        world.url(P1),
        { timeoutMs: 5_000, maxMessageBytes: 1_000, protocol: PEER_PROTOCOL },
        {
          opened: (socket) => {
            socket.handle({ message: () => {}, closed: (close) => (closed = close) });
            sockets.push(socket);
          },
          failed: () => {},
        },
      );
      await world.until(() => sockets.length === 1);
      sockets[0]!.send(new Uint8Array(FRAME_BYTES_MAX + 1));
      await world.until(() => closed !== undefined);
      expect(closed!.code).toBe(1009);
    });

    test('a caller that never says who it is is cut after a while', async () => {
      await start(P1, { timings: { ...QUICK, handshakeTimeoutMs: 30 } });
      const heard: number[] = [];
      let closed: SocketClose | undefined;
      world.dialer.dial(
        world.url(P1),
        { timeoutMs: 5_000, maxMessageBytes: 1_000, protocol: PEER_PROTOCOL },
        {
          opened: (socket) =>
            socket.handle({ message: (got) => heard.push(got.length), closed: (close) => (closed = close) }),
          failed: () => {},
        },
      );
      await world.until(() => closed !== undefined);
      expect(closed).toEqual({ code: 4000, reason: 'TIMEOUT' });
      expect(heard.length).toBe(1);
    });

    /** One who speaks as `P2` on the control lane, without a transport: what it hears of its connection. */
    interface Caller {
      socket: Socket | undefined;
      open: boolean;
      close: SocketClose | undefined;
    }

    const speakAs = (peer: PeerId): Caller => {
      const caller: Caller = { socket: undefined, open: false, close: undefined };
      const handshake = new DialerHandshake(
        {
          self: peer,
          clusterId: 'test-cluster',
          hasRoom: () => true,
          fingerprint: 'tickMs=10',
          differences: () => [],
          secret: undefined,
          hmac: () => new Uint8Array(32),
          random: new SeededRandom(9),
          facts: () => factsOf(peer, { incarnation: 'made-up' }),
          hello: () => 'accept',
        },
        P1,
        'control',
      );
      world.dialer.dial(
        world.url(P1),
        { timeoutMs: 5_000, maxMessageBytes: 1_000, protocol: PEER_PROTOCOL },
        {
          opened: (socket) => {
            caller.socket = socket;
            socket.handle({
              message: (got) => {
                if (caller.open) return;
                const step = handshake.receive(got);
                for (const reply of step.replies) socket.send(reply);
                caller.open = step.type === 'open';
              },
              closed: (close) => (caller.close = close),
            });
            socket.send(handshake.first);
          },
          failed: () => {},
        },
      );
      return caller;
    };

    test('of two connections of one peer on one lane the newest counts', async () => {
      const one = await start(P1);
      const first = speakAs(P2);
      await world.until(() => first.open);
      const second = speakAs(P2);
      await world.until(() => second.open && first.close !== undefined);
      expect(first.close).toEqual({ code: 4001, reason: 'the peer has connected anew' });
      second.socket!.send(bytes(4));
      await world.until(() => one.peer.frames.length === 1);
      expect(second.close).toBeUndefined();
    });

    test('a caller that neither speaks nor pings for long is dropped', async () => {
      await start(P1, { timings: { ...QUICK, missedPingsMax: 1 } });
      const caller = speakAs(P2);
      await world.until(() => caller.close !== undefined);
      expect([caller.open, caller.close?.code]).toEqual([true, 1006]);
    });

    test('a frame before the proof is no frame', async () => {
      const one = await start(P1);
      let closed: SocketClose | undefined;
      world.dialer.dial(
        world.url(P1),
        { timeoutMs: 5_000, maxMessageBytes: 1_000, protocol: PEER_PROTOCOL },
        {
          opened: (socket) => {
            socket.handle({ message: () => {}, closed: (close) => (closed = close) });
            socket.send(bytes(4, 4, 4));
          },
          failed: () => {},
        },
      );
      await world.until(() => closed !== undefined);
      expect(closed).toEqual({ code: 1002, reason: 'BAD_FRAME' });
      expect(one.peer.frames).toEqual([]);
    });

    test('an acceptor that never answers is given up and dialed again', async () => {
      let calls = 0;
      const deaf = world.listener(P2);
      await deaf.listen((socket) => {
        calls += 1;
        socket.handle({ message: () => {}, closed: () => {} });
      });
      const one = await start(P1, { timings: { ...QUICK, handshakeTimeoutMs: 30 } });
      await world.until(() => calls >= 3);
      expect(one.peer.links.filter((line) => line.startsWith('refused p2'))).toEqual(['refused p2 us TIMEOUT']);
      await deaf.close();
    });
  });
}
