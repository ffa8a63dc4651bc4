import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../../src/base/bytes.ts';

const safe = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.constantFrom(0, 127, 128, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER),
);
const ascii = fc.string({ unit: 'binary-ascii', maxLength: 300, size: 'max' });
const field = fc.oneof(
  fc.record({ type: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ type: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ type: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ type: fc.constant('u64' as const), value: safe }),
  fc.record({ type: fc.constant('varint' as const), value: safe }),
  fc.record({ type: fc.constant('ascii' as const), value: ascii }),
  fc.record({ type: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300, size: 'max' }) }),
);
type Field = typeof field extends fc.Arbitrary<infer T> ? T : never;

function write(writer: ByteWriter, one: Field): void {
  switch (one.type) {
    case 'ascii':
      return writer.ascii(one.value);
    case 'bytes':
      return writer.bytes(one.value);
    case 'u8':
    case 'u16':
    case 'u32':
    case 'u64':
    case 'varint':
      return writer[one.type](one.value);
  }
}

function written(fill: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1);
  fill(writer);
  return writer.take();
}

describe('ByteWriter and ByteReader', () => {
  test('what was written is read back, in order, up to the very end', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 40, size: 'max' }), fc.nat(9), (fields, before) => {
        const writer = new ByteWriter(1);
        writer.raw(new Uint8Array(before).fill(0xee));
        for (const one of fields) write(writer, one);
        const reader = new ByteReader(writer.take(), before);
        for (const one of fields) expect(reader[one.type]()).toEqual(one.value);
        expect(reader.remaining).toBe(0);
        reader.end();
      }),
    );
  });

  test('a text cut anywhere fails with DecodeError, never with another error', () => {
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 10 }), fc.nat(), (fields, cut) => {
        const whole = written((writer) => fields.forEach((one) => write(writer, one)));
        const reader = new ByteReader(whole.subarray(0, cut % whole.length));
        expect(() => fields.forEach((one) => reader[one.type]())).toThrow(DecodeError);
      }),
    );
  });

  test('random bytes read as something or fail with DecodeError, and never read past the end', () => {
    const read = fc.constantFrom('u8', 'u16', 'u32', 'u64', 'varint', 'ascii', 'bytes' as const);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64, size: 'max' }),
        fc.array(read, { maxLength: 30, size: 'max' }),
        (bytes, reads) => {
          const reader = new ByteReader(bytes);
          try {
            for (const one of reads) reader[one]();
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
          expect(reader.position + reader.remaining).toBe(bytes.length);
          expect(reader.remaining).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });

  test('a small number takes one byte and a larger one no more than it needs', () => {
    const sizes = [0, 127, 128, 2 ** 14 - 1, 2 ** 14, 2 ** 31 - 1, 2 ** 31, 2 ** 35, 2 ** 49, Number.MAX_SAFE_INTEGER];
    expect(sizes.map((value) => written((writer) => writer.varint(value)).length)).toEqual([
      1, 1, 2, 2, 3, 5, 5, 6, 8, 8,
    ]);
  });

  test('integers are little-endian, so that a dump reads the same on every build', () => {
    const bytes = written((writer) => {
      writer.u16(0x0102);
      writer.u32(0x0304_0506);
      writer.u64(0x0007_0809_0a0b_0c0d);
    });
    expect([...bytes]).toEqual([2, 1, 6, 5, 4, 3, 0x0d, 0x0c, 0x0b, 0x0a, 9, 8, 7, 0]);
  });

  test('integers past 2^53 are refused on the way in and on the way out', () => {
    const writer = new ByteWriter();
    for (const bad of [-1, 0.5, Number.MAX_SAFE_INTEGER + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => writer.u64(bad)).toThrow(InvariantError);
      expect(() => writer.varint(bad)).toThrow(InvariantError);
    }
    expect(writer.length).toBe(0);
    const twoTo53 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0);
    expect(() => new ByteReader(twoTo53).u64()).toThrow(DecodeError);
    const ones = new Uint8Array(16).fill(0xff);
    expect(() => new ByteReader(ones).u64()).toThrow(DecodeError);
    expect(() => new ByteReader(ones).varint()).toThrow(DecodeError);
    expect(() => new ByteReader(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f)).varint()).toThrow(
      DecodeError,
    );
  });

  test('a varint of more than eight bytes is refused, small as its value may be', () => {
    expect(() => new ByteReader(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0)).varint()).toThrow(
      DecodeError,
    );
  });

  test('a name that is not ASCII is refused on the way in and on the way out', () => {
    expect(() => written((writer) => writer.ascii('grün'))).toThrow(InvariantError);
    expect(() => new ByteReader(Uint8Array.of(1, 0x80)).ascii()).toThrow(DecodeError);
  });

  test('bytes left over are an error for who expects the end', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2));
    reader.u8();
    expect(() => reader.end()).toThrow(new DecodeError('1 bytes too many'));
  });

  test('a reader of a part stays in its part', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4), 1, 3);
    expect([reader.u8(), reader.u8(), reader.remaining]).toEqual([2, 3, 0]);
    expect(() => reader.u8()).toThrow(DecodeError);
  });

  test('view is overwritten by the next use, take is a copy that stays', () => {
    const writer = new ByteWriter();
    writer.u8(1);
    const view = writer.view();
    const copy = writer.take();
    writer.reset();
    writer.u8(2);
    expect([view[0], copy[0]]).toEqual([2, 1]);
  });

  test('a length that is known at the end is patched in, and only inside what was written', () => {
    const writer = new ByteWriter(1);
    writer.u32(0);
    writer.ascii('abc');
    writer.patchU32(0, 4);
    expect([...writer.take()]).toEqual([4, 0, 0, 0, 3, 97, 98, 99]);
    expect(() => writer.patchU32(5, 1)).toThrow(InvariantError);
  });
});
