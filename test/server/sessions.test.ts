import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import type { HelloFrame } from '../../src/protocol/client-frame.ts';
import { encodeClientFrame } from '../../src/protocol/codec.ts';
import { FRAME_BYTES_MAX } from '../../src/protocol/limits.ts';
import { attachFrame, Desk, submitFrame } from './support/desk.ts';
import type { TestClient } from './support/sockets.ts';

const HELLO: HelloFrame = {
  type: 'hello',
  protocolVersion: 1,
  role: 'client',
  namespace: 'default',
  clientName: 'test',
  clientVersion: '0',
};
const packr = new Packr({ useRecords: false });

/** What the peer said last of the connection itself, and how it ended it. */
async function ending(client: TestClient): Promise<readonly [code: string | undefined, close: number]> {
  const close = await client.untilClosed();
  const error = client.all('error').find((frame) => frame.requestId === 0);
  return [error?.code, close.code];
}

describe('a connection', () => {
  it('is welcomed with the leader, all peers and the limits', async () => {
    const desk = await Desk.open();
    const client = desk.listener.dial();
    client.send(HELLO);
    await desk.time.until('a welcome', () => client.frames.length > 0);
    expect(client.frames).toMatchObject([
      {
        type: 'welcome',
        protocolVersion: 1,
        peer: 'p1',
        cluster: 'test',
        term: 1,
        leader: ['p1', 'ws://127.0.0.1:7400/v1/connect'],
        limits: [262_144, 8_192, 16_384, 1_000, 4_194_304, 5_242_880],
        leaseMs: 15_000,
        heartbeatMs: 3_000,
      },
    ]);
    expect(client.all('welcome')[0]?.peers).toHaveLength(3);
  });

  it('from a newer client is spoken to in the version of the peer', async () => {
    const desk = await Desk.open();
    const client = desk.listener.dial();
    client.send({ ...HELLO, protocolVersion: 9 });
    await desk.time.until('a welcome', () => client.frames.length > 0);
    expect(client.all('welcome')[0]?.protocolVersion).toBe(1);
  });

  it('that says nothing ends after ten seconds', async () => {
    const desk = await Desk.open();
    const client = desk.listener.dial();
    await desk.time.advance(9_999);
    expect(client.closed).toBeUndefined();
    await desk.time.advance(1);
    expect(await ending(client)).toEqual(['UNEXPECTED_FRAME', 1008]);
  });

  it.each<readonly [string, HelloFrame, string]>([
    ['speaks a version that is too old', { ...HELLO, protocolVersion: 0 }, 'UNSUPPORTED_VERSION'],
    ['has a role that there is not', { ...HELLO, role: 'peer' }, 'INVALID_ARGUMENT'],
    ['names no namespace', { ...HELLO, namespace: 'a b' }, 'INVALID_ARGUMENT'],
  ])('that %s ends with a code', async (_, hello, code) => {
    const desk = await Desk.open();
    const client = desk.listener.dial();
    client.send(hello);
    expect(await ending(client)).toEqual([code, 1008]);
  });

  it('that begins with anything but hello, or says it twice, ends', async () => {
    const desk = await Desk.open();
    const eager = desk.listener.dial();
    eager.send({ type: 'status', requestId: 1 });
    expect(await ending(eager)).toEqual(['UNEXPECTED_FRAME', 1008]);
    const twice = await desk.client();
    twice.send(HELLO);
    expect(await ending(twice)).toEqual(['UNEXPECTED_FRAME', 1008]);
  });

  it('is refused when there are as many as there may be, and let in when one has ended', async () => {
    const desk = await Desk.open({ connectionsMax: 1 });
    const first = await desk.client();
    const second = desk.listener.dial();
    expect(await second.untilClosed()).toEqual({ code: 1013, reason: 'OVERLOADED' });
    first.close();
    await desk.time.advance(1);
    await desk.client();
  });

  it('on which nothing is said for long is cut; one that beats is not', async () => {
    const desk = await Desk.open();
    const silent = await desk.client();
    const alive = await desk.client();
    for (let beat = 1; beat <= 60; beat += 1) {
      await desk.time.advance(3_000);
      alive.send({ type: 'heartbeat', beat });
    }
    expect(silent.closed?.code).toBe(1006);
    expect(alive.closed).toBeUndefined();
  });
});

describe('bytes that are no request', () => {
  const deep = encodeNested(9);
  const frames: readonly (readonly [string, Uint8Array, string, number])[] = [
    ['too large', new Uint8Array(FRAME_BYTES_MAX + 1), 'FRAME_TOO_LARGE', 1009],
    ['nested too deep', deep, 'MALFORMED_FRAME', 1007],
    ['a map', packr.pack({ type: 'status' }), 'MALFORMED_FRAME', 1007],
    ['empty', new Uint8Array(0), 'MALFORMED_FRAME', 1007],
    [
      'cut off',
      encodeClientFrame({ type: 'get', requestId: 1, task: [0, 0, 1], stale: null }).subarray(0, 4),
      'MALFORMED_FRAME',
      1007,
    ],
    ['of an extension type', new Uint8Array([0x92, 0x02, 0xd4, 0x00, 0x00]), 'MALFORMED_FRAME', 1007],
    ['of an unknown kind', packr.pack([99, 1]), 'UNKNOWN_FRAME', 1002],
    ['of a kind that only peers send', packr.pack([68, 1]), 'UNKNOWN_FRAME', 1002],
    ['with a field of another type', packr.pack([15, 'one']), 'MALFORMED_FRAME', 1007],
    ['with request id 0', encodeClientFrame({ type: 'status', requestId: 0 }), 'MALFORMED_FRAME', 1007],
  ];

  it.each(frames)('%s: the connection ends with a code, and the peer lives', async (_, bytes, code, close) => {
    const desk = await Desk.open();
    const client = await desk.client();
    client.sendBytes(bytes);
    expect(await ending(client)).toEqual([code, close]);
    const other = await desk.client();
    expect(await other.ask((requestId) => ({ type: 'status', requestId }))).toMatchObject({ type: 'statusAnswer' });
  });

  it('are the last that is taken: what follows them on the connection is not done', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    client.sendBytes(packr.pack([99]));
    client.send({ type: 'openSession', requestId: 7 });
    await desk.time.advance(100);
    expect(client.answersTo(7)).toEqual([]);
    expect(desk.peer.scheduler.sessionIds()).toEqual([]);
  });

  it('at random end connections and nothing else', async () => {
    const desk = await Desk.open();
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.integer({ min: 0, max: 30 }), fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 9 }))
        .map(([kind, fields]) => new Uint8Array(packr.pack([kind, ...fields]))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 4 }), fc.boolean(), async (messages, greets) => {
        const client = greets ? await desk.worker() : desk.listener.dial();
        for (const bytes of messages) client.sendBytes(bytes);
        await desk.time.advance(1);
        client.close();
        const other = await desk.client();
        expect(await other.ask((requestId) => ({ type: 'status', requestId }))).toMatchObject({ connections: 1 });
        other.close();
        await desk.time.advance(1);
      }),
      { numRuns: 150 },
    );
    desk.peer.scheduler.checkInvariants();
  });
});

/** Frames of the right shape with wild values, which get further than bytes at random. */
describe('frames of wild values', () => {
  it('are answered once each, or end the connection', async () => {
    const desk = await Desk.open();
    const uint = fc.oneof(fc.nat(3), fc.maxSafeNat());
    const word = fc.oneof(
      fc.constantFrom('w1', 'i1', 'default', 'é', '', 'x'.repeat(256)),
      fc.string({ maxLength: 8 }),
    );
    const request = fc.oneof(
      fc.record({
        type: fc.constant('get' as const),
        task: fc.tuple(fc.nat(1), fc.nat(1), uint),
        stale: fc.option(fc.boolean()),
      }),
      fc.record({
        type: fc.constant('changeMember' as const),
        change: fc.nat(2),
        peer: word,
        incarnation: fc.option(word),
      }),
      fc.record({ type: fc.constant('transferLeadership' as const), peer: fc.option(word) }),
      fc.record({
        type: fc.constant('cancel' as const),
        tasks: fc.array(fc.tuple(fc.nat(1), fc.nat(1), uint), { maxLength: 3 }),
      }),
      fc.record({ type: fc.constant('drainWorker' as const), worker: word, deadlineMs: uint }),
      fc.record({ type: fc.constant('extend' as const), number: uint, fencingToken: uint, runMs: uint }),
      fc.record({
        type: fc.constant('list' as const),
        states: fc.option(fc.array(fc.nat(7), { maxLength: 3 })),
        queue: fc.option(word),
        taskType: fc.option(word),
        cursor: fc.option(word),
        limit: uint,
        stale: fc.option(fc.boolean()),
        schedule: fc.option(word),
      }),
      fc.tuple(word, word, word, uint).map(([worker, instance, type, slots]) => {
        const { requestId: _, ...frame } = attachFrame(0, { worker, instance, types: [type], slots });
        return frame;
      }),
      fc.tuple(word, word, uint, uint).map(([session, type, sequence, delayMs]) => {
        const { requestId: _, ...frame } = submitFrame(
          0,
          session,
          [[0, 3, new Uint8Array(1), [type, null, delayMs, null]]],
          sequence,
        );
        return { ...frame, templates: [[type, type, 5, [[type, type]], [sequence, delayMs, 1], null, null]] as const };
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 6 }), async (requests) => {
        const client = await desk.worker();
        const ids = requests.map((frame) => client.request((requestId) => ({ ...frame, requestId })));
        await desk.time.advance(10);
        expect(client.closed).toBeUndefined();
        expect(ids.map((id) => client.answersTo(id).length)).toEqual(ids.map(() => 1));
        client.close();
        await desk.time.advance(20_000);
      }),
      { numRuns: 100 },
    );
    desk.peer.scheduler.checkInvariants();
    expect(desk.notes).toEqual([]);
  });
});

describe('unanswered requests', () => {
  it('are bounded, and what is over the bound is refused and executed by nobody', async () => {
    const desk = await Desk.open({ unansweredMax: 3 });
    const client = await desk.client();
    desk.peer.holding = true;
    const ids = [1, 2, 3, 4].map(() => client.request((requestId) => ({ type: 'openSession', requestId })));
    await desk.time.advance(1);
    expect(client.answersTo(ids[3]!)).toMatchObject([
      { code: 'TOO_MANY_REQUESTS', retryable: true, retryAfterMs: 100 },
    ]);
    expect(desk.commands).toHaveLength(3);
    desk.peer.apply();
    expect(ids.slice(0, 3).map((id) => client.answersTo(id)[0]?.type)).toEqual(Array(3).fill('sessionOpened'));
  });

  it('are counted right however they end', async () => {
    const desk = await Desk.open({ unansweredMax: 2 });
    const client = await desk.client();
    const number = await desk.submit(client);
    for (let round = 0; round < 5; round += 1) {
      // Refused before it was proposed; not found; a wait that is abandoned; one that breaks.
      await client.ask((requestId) => ({ type: 'drainWorker', requestId, worker: 'a b', deadlineMs: 0 }));
      await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, 99], stale: null }));
      const wait = client.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
      client.send({ type: 'abandon', requestId: wait });
      desk.peer.broken = new Error('damaged');
      await client.ask((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
      desk.peer.broken = undefined;
      await desk.time.advance(1);
    }
    desk.peer.holding = true;
    const ids = [1, 2, 3].map(() => client.request((requestId) => ({ type: 'openSession', requestId })));
    await desk.time.advance(1);
    expect(ids.map((id) => client.answersTo(id).length)).toEqual([0, 0, 1]);
  });
});

describe('a client that does not read', () => {
  const MIB = 1024 * 1024;
  const limits = { unsentBytesHigh: 2 * MIB, unsentBytesMax: 8 * MIB, noProgressMs: 10_000 };

  /** A desk with a task of 256 KiB, and a client that asks for it again and again without reading. */
  async function flooded(
    count: number,
  ): Promise<{ readonly desk: Desk; readonly client: TestClient; readonly ids: number[] }> {
    const desk = await Desk.open(limits);
    const client = await desk.client();
    const number = await desk.submit(client, [[0, 3, new Uint8Array(256 * 1024), null]]);
    client.stopReading();
    const ids = Array.from({ length: count }, () =>
      client.request((requestId) => ({ type: 'get', requestId, task: [0, 0, number], stale: null })),
    );
    await desk.time.advance(5);
    return { desk, client, ids };
  }

  it('is not read from, and is when it has read; it gets every answer', async () => {
    const { desk, client, ids } = await flooded(12);
    expect(client.serverReads).toBe(false);
    const late = client.request((requestId) => ({ type: 'status', requestId }));
    await desk.time.advance(3_000);
    client.resumeReading();
    expect((await client.answerTo(late)).type).toBe('statusAnswer');
    expect(client.serverReads).toBe(true);
    expect(ids.map((id) => client.answersTo(id)[0]?.type)).toEqual(ids.map(() => 'task'));
  });

  it('is cut when it takes nothing for ten seconds, and not as long as it takes a little', async () => {
    const { desk, client } = await flooded(12);
    for (let step = 0; step < 4; step += 1) {
      await desk.time.advance(8_000);
      expect(client.closed).toBeUndefined();
      client.read(1);
    }
    await desk.time.advance(12_000);
    expect(client.closed?.code).toBe(1006);
    expect(desk.notes).toEqual(['warn a client took nothing of what waits for it and was cut']);
    expect((await desk.client()).closed).toBeUndefined();
  });

  it('is cut at once when far too much waits for it', async () => {
    const { client } = await flooded(40);
    expect(client.closed?.code).toBe(1006);
  });
});

describe('the end of a peer', () => {
  it('tells every client, and answers what comes later only about itself', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const number = await desk.submit(client);
    client.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
    await desk.attached();
    await desk.time.advance(1);
    desk.peer.halt();
    expect(await ending(client)).toEqual(['SHUTTING_DOWN', 1001]);
    const { proposals } = desk.peer;
    // Nothing more is judged or proposed: what was known of workers and sessions was let go.
    await desk.time.advance(60_000);
    expect(desk.peer.proposals).toBe(proposals);
    const late = await desk.client();
    expect(await late.ask((requestId) => ({ type: 'openSession', requestId }))).toMatchObject({ code: 'NO_LEADER' });
    expect(await late.ask((requestId) => ({ type: 'status', requestId }))).toMatchObject({ type: 'statusAnswer' });
  });

  it('by a stop ends connections and timers, twice asked or not, and takes up nothing afterwards', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await desk.attached();
    await Promise.all([desk.server.stop(), desk.server.stop()]);
    expect(await ending(client)).toEqual(['SHUTTING_DOWN', 1001]);
    expect(() => desk.listener.dial()).toThrow('nobody listens');
    desk.peer.lead(2);
    const { proposals } = desk.peer;
    await desk.time.advance(60_000);
    expect(desk.peer.proposals).toBe(proposals);
  });
});

/** An array in an array and so on, `depth` times. */
function encodeNested(depth: number): Uint8Array {
  let value: unknown = [];
  for (let at = 0; at < depth; at += 1) value = [value];
  return new Uint8Array(packr.pack(value));
}
