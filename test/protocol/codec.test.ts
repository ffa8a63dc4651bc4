import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import {
  decodeClientFrame,
  decodeServerFrame,
  decodeValue,
  encodeClientFrame,
  encodeServerFrame,
  encodeValue,
  ValueError,
} from '../../src/protocol/codec.ts';
import { CLIENT_FRAMES, SERVER_FRAMES } from '../../src/protocol/frame-table.ts';
import { ProtocolError } from '../../src/protocol/protocol-error.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/version.ts';
import { CLIENT_SAMPLES, SERVER_SAMPLES } from './samples.ts';

const plain = new Packr({ useRecords: false });
const clientBytes = CLIENT_SAMPLES.map(encodeClientFrame);
const serverBytes = SERVER_SAMPLES.map(encodeServerFrame);

/** Bytes as plain arrays, since decoded ones are views of another class. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, comparable(field)]));
}

/** The code of the refusal, or `frame` when the bytes are one. Anything else that is thrown fails the test. */
function verdict(decode: () => unknown): string {
  try {
    decode();
    return 'frame';
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

function clientVerdict(bytes: Uint8Array): string {
  return verdict(() => decodeClientFrame(bytes));
}

describe('frames', () => {
  it('have a sample of every kind, each kind once', () => {
    expect(CLIENT_SAMPLES.map((frame) => frame.type)).toEqual(CLIENT_FRAMES.map((layout) => layout.type));
    expect(SERVER_SAMPLES.map((frame) => frame.type)).toEqual(SERVER_FRAMES.map((layout) => layout.type));
    const kinds = [...CLIENT_FRAMES, ...SERVER_FRAMES].map((layout) => layout.kind);
    expect(new Set(kinds).size).toBe(kinds.length);
  });

  it.each(CLIENT_SAMPLES)('of a client are read as they were written: $type', (frame) => {
    expect(comparable(decodeClientFrame(encodeClientFrame(frame)))).toEqual(comparable(frame));
  });

  it.each(SERVER_SAMPLES)('of a peer are read as they were written: $type', (frame) => {
    expect(comparable(decodeServerFrame(encodeServerFrame(frame)))).toEqual(comparable(frame));
  });

  it('have bytes that do not change within a version', async () => {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    const lines = [
      ...CLIENT_SAMPLES.map((frame, at) => `${frame.type} ${hex(clientBytes[at]!)}`),
      ...SERVER_SAMPLES.map((frame, at) => `${frame.type} ${hex(serverBytes[at]!)}`),
    ];
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`golden/frames-v${PROTOCOL_VERSION}.txt`);
  });

  it('have a layout that changes with the version only', () => {
    const words = [...CLIENT_FRAMES, ...SERVER_FRAMES].map((layout) =>
      [layout.kind, layout.type, ...layout.names.map((name, at) => `${name}:${layout.shapes[at]?.words}`)].join(' '),
    );
    // A changed hash asks: can an older reader misread or refuse this? Then raise PROTOCOL_VERSION and tell its history.
    const hash = createHash('sha256').update(words.join('\n')).digest('hex').slice(0, 16);
    expect([PROTOCOL_VERSION, hash]).toMatchInlineSnapshot(`
      [
        1,
        "af7048a63ad029b1",
      ]
    `);
  });

  it('of a newer sender are read without what is not known', () => {
    const longer = [...(plain.unpack(encodeClientFrame({ type: 'heartbeat', beat: 3 })) as unknown[]), 'new', [1]];
    expect(decodeClientFrame(plain.pack(longer))).toEqual({ type: 'heartbeat', beat: 3 });
  });

  it('of an older sender are read with null for what it did not know, where that may be', () => {
    const shorter = (plain.unpack(serverBytes[3]!) as unknown[]).slice(0, -2);
    expect(decodeServerFrame(plain.pack(shorter))).toMatchObject({ type: 'error', leader: null, position: null });
    const tooShort = (plain.unpack(serverBytes[3]!) as unknown[]).slice(0, 3);
    expect(verdict(() => decodeServerFrame(plain.pack(tooShort)))).toBe('MALFORMED_FRAME');
  });

  it('of an older sender are read also where a row has grown since, but not where it lacks what it always had', () => {
    const at = SERVER_SAMPLES.findIndex((frame) => frame.type === 'task');
    const [kind, requestId, row, index] = plain.unpack(serverBytes[at]!) as [number, number, unknown[], number];
    const frame = decodeServerFrame(plain.pack([kind, requestId, row.slice(0, -1), index]));
    expect(frame.type === 'task' && frame.task.length).toBe(row.length - 1);
    expect(verdict(() => decodeServerFrame(plain.pack([kind, requestId, row.slice(0, -2), index])))).toBe(
      'MALFORMED_FRAME',
    );
  });

  it('carry integers up to 2^53, in whatever format of MessagePack', () => {
    const beat = (bytes: number[]): unknown => decodeClientFrame(Uint8Array.of(0x92, 2, ...bytes));
    expect(beat([0xcf, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])).toEqual({ type: 'heartbeat', beat: 2 ** 53 - 1 });
    expect(beat([0xcb, 0x42, 0xb0, 0, 0, 0, 0, 0, 0])).toEqual({ type: 'heartbeat', beat: 2 ** 44 });
    expect(beat([0xcd, 0, 7])).toEqual({ type: 'heartbeat', beat: 7 });
    expect(clientVerdict(Uint8Array.of(0x92, 2, 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0))).toBe('MALFORMED_FRAME');
    expect(clientVerdict(Uint8Array.of(0x92, 2, 0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0))).toBe('MALFORMED_FRAME');
  });
});

describe('bytes that are no frame', () => {
  const deep = (depth: number): Uint8Array => Uint8Array.of(...new Array<number>(depth).fill(0x91), 0x01);

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'MALFORMED_FRAME'],
    ['a number', Uint8Array.of(2), 'MALFORMED_FRAME'],
    ['an empty array', Uint8Array.of(0x90), 'UNKNOWN_FRAME'],
    ['a kind that is not known', Uint8Array.of(0x91, 0x7f), 'UNKNOWN_FRAME'],
    ['a kind of the other direction', encodeServerFrame({ type: 'ok', requestId: 1 }), 'UNKNOWN_FRAME'],
    ['a kind that is text', plain.pack(['hello']), 'UNKNOWN_FRAME'],
    ['a negative kind', plain.pack([-1]), 'UNKNOWN_FRAME'],
    ['a fractional kind', plain.pack([2.5]), 'UNKNOWN_FRAME'],
    ['a field of another type', plain.pack([2, 'three']), 'MALFORMED_FRAME'],
    ['a field that is missing', plain.pack([2]), 'MALFORMED_FRAME'],
    ['a negative number', plain.pack([2, -1]), 'MALFORMED_FRAME'],
    ['a text that is too long', plain.pack([4, 'x'.repeat(300)]), 'MALFORMED_FRAME'],
    ['a position out of range', plain.pack([26, 1, 1, 4, 'x']), 'MALFORMED_FRAME'],
    ['a row that is too short', plain.pack([7, 1, [0, 1]]), 'MALFORMED_FRAME'],
    ['a map', plain.pack([2, { a: 1 }]), 'MALFORMED_FRAME'],
    ['bytes behind the end', Uint8Array.of(0x92, 2, 3, 0), 'MALFORMED_FRAME'],
    ['an end too early', Uint8Array.of(0x92, 2), 'MALFORMED_FRAME'],
    ['an array of 4 G', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff), 'MALFORMED_FRAME'],
    ['bytes of 2 G', Uint8Array.of(0x92, 2, 0xc6, 0x7f, 0xff, 0xff, 0xff), 'MALFORMED_FRAME'],
    ['a text of 4 G', Uint8Array.of(0x92, 2, 0xdb, 0xff, 0xff, 0xff, 0xff), 'MALFORMED_FRAME'],
    ['the byte that means nothing', Uint8Array.of(0xc1), 'MALFORMED_FRAME'],
    ['a time stamp', Uint8Array.of(0x92, 2, 0xd6, 0xff, 0, 0, 0, 1), 'MALFORMED_FRAME'],
    ['a record definition', Uint8Array.of(0x92, 2, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1), 'MALFORMED_FRAME'],
    ['nine arrays in each other', deep(9), 'MALFORMED_FRAME'],
    ['a million arrays in each other', deep(100_000), 'MALFORMED_FRAME'],
    ['too many values', plain.pack([2, new Array(250_000).fill(1)]), 'MALFORMED_FRAME'],
    ['too many bytes', new Uint8Array(5 * 1024 * 1024 + 1), 'FRAME_TOO_LARGE'],
  ])('are refused with a code: %s', (_, bytes, code) => {
    expect(clientVerdict(bytes)).toBe(code);
  });

  it('are refused whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        clientVerdict(bytes);
        verdict(() => decodeServerFrame(bytes));
      }),
      { numRuns: 20_000 },
    );
  });

  it('are refused, or read as a frame that can be written again, when they were one before some bytes changed', () => {
    const change = fc.record({ at: fc.nat(), value: fc.nat(255), cut: fc.boolean() });
    const mutate = (bytes: Uint8Array, changes: readonly { at: number; value: number; cut: boolean }[]): Uint8Array => {
      let mutated = bytes.slice();
      for (const { at, value, cut } of changes) {
        if (mutated.length === 0) break;
        mutated[at % mutated.length] = value;
        if (cut && at % 3 === 0) mutated = mutated.slice(0, at % mutated.length);
      }
      return mutated;
    };
    fc.assert(
      fc.property(fc.nat(), fc.array(change, { minLength: 1, maxLength: 4 }), (pick, changes) => {
        const client = mutate(clientBytes[pick % clientBytes.length]!, changes);
        if (clientVerdict(client) === 'frame') {
          const frame = decodeClientFrame(client);
          expect(comparable(decodeClientFrame(encodeClientFrame(frame)))).toEqual(comparable(frame));
        }
        const server = mutate(serverBytes[pick % serverBytes.length]!, changes);
        if (verdict(() => decodeServerFrame(server)) === 'frame') {
          const frame = decodeServerFrame(server);
          expect(comparable(decodeServerFrame(encodeServerFrame(frame)))).toEqual(comparable(frame));
        }
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('values', () => {
  it('of JSON and beyond arrive as they were sent, but for the sign of zero', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.uint8Array({ maxLength: 40 }),
        fc.array(tie('any'), { maxLength: 5 }),
        fc.dictionary(
          fc.string({ maxLength: 10 }).filter((name) => name !== '__proto__'),
          tie('any'),
          { maxKeys: 5, noNullPrototype: true },
        ),
      ),
    })).any;
    fc.assert(
      fc.property(value, (sent) => {
        expect(comparable(decodeValue(encodeValue(sent)))).toEqual(comparable(sent));
      }),
      { numRuns: 2000 },
    );
  });

  it('keep large integers exact, and leave undefined fields out', () => {
    expect(decodeValue(encodeValue([2n ** 63n - 1n, 2 ** 53 - 1, -(2 ** 40)]))).toEqual([
      2n ** 63n - 1n,
      2 ** 53 - 1,
      -(2 ** 40),
    ]);
    expect(decodeValue(encodeValue({ a: undefined, b: [undefined, 1] }))).toEqual({ b: [null, 1] });
  });

  it.each<[string, unknown, string]>([
    ['a date', { when: new Date(0) }, '"when" is a Date'],
    ['a map', new Map(), 'it is a Map'],
    ['a function', [() => 1], 'an element of it is a function'],
    ['a symbol', { a: Symbol('x') }, '"a" is a symbol'],
    ['a huge integer', 2n ** 80n, 'it is a bigint of more than 64 bits'],
    ['an error', new Error('x'), 'it is a Error'],
    ['too many values', new Array(100_001).fill(0), 'more than 100000 values'],
  ])('that would not arrive as they are are refused: %s', (_, value, words) => {
    expect(() => encodeValue(value)).toThrow(ValueError);
    expect(() => encodeValue(value)).toThrow(words);
  });

  it('that contain themselves are refused', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => encodeValue(loop)).toThrow('nested deeper than 64');
  });

  it('are refused from bytes that hold extensions, are too deep, or are none', () => {
    for (const bytes of [
      Uint8Array.of(0xd4, 0x72, 0x40),
      Uint8Array.of(...new Array<number>(65).fill(0x91), 1),
      Uint8Array.of(0x81, 0x90, 1),
      new Uint8Array(0),
    ]) {
      expect(() => decodeValue(bytes)).toThrow(ValueError);
    }
    const polluted = decodeValue(Uint8Array.of(0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x61, 1));
    expect((polluted as { a?: number }).a).toBeUndefined();
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  it('in random bytes never do more than be refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 48 }), (bytes) => {
        try {
          decodeValue(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ValueError);
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
