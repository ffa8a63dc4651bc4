import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addHash, formatHash, hash64, murmur3, sameHash, subtractHash, ZERO_HASH } from '../../src/base/hash.ts';

const encoder = new TextEncoder();

describe('murmur3', () => {
  // The published verification vectors of the x86 32-bit variant.
  test.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['aa', 0x9747b28c, 0x5d211726],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['abc', 0, 0xb3dd93fa],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ])('of %j with seed %d is as published', (text, seed, hash) => {
    expect(murmur3(encoder.encode(text), seed)).toBe(hash);
  });

  test('long input has the same hash wherever in a buffer it lies', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 500, maxLength: 700, size: 'max' }), (bytes) => {
        const hashes = [0, 1, 2, 3, 4].map((shift) => {
          const held = new Uint8Array(bytes.length + shift);
          held.set(bytes, shift);
          return murmur3(held.subarray(shift), 7);
        });
        expect(new Set(hashes).size).toBe(1);
      }),
    );
  });

  test('a flipped bit changes the hash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64, size: 'max' }), fc.nat(), (bytes, at) => {
        const flipped = bytes.slice();
        flipped[at % bytes.length] = (flipped[at % bytes.length] ?? 0) ^ (1 << (at % 8));
        expect(murmur3(flipped, 7)).not.toBe(murmur3(bytes, 7));
      }),
    );
  });
});

describe('a digest of a set', () => {
  const hashes = fc.array(
    fc.uint8Array({ maxLength: 16, size: 'max' }).map((bytes) => hash64(crc32, bytes)),
    { maxLength: 20, size: 'max' },
  );

  test('does not depend on the order in which its members came', () => {
    fc.assert(
      fc.property(hashes, fc.infiniteStream(fc.nat()), (members, order) => {
        const shuffled = members
          .map((member) => ({ member, at: order.next().value ?? 0 }))
          .toSorted((left, right) => left.at - right.at)
          .map(({ member }) => member);
        expect(shuffled.reduce(addHash, ZERO_HASH)).toEqual(members.reduce(addHash, ZERO_HASH));
      }),
    );
  });

  test('forgets a member that is taken out again', () => {
    fc.assert(
      fc.property(hashes, fc.uint8Array({ maxLength: 16, size: 'max' }), (members, bytes) => {
        const sum = members.reduce(addHash, ZERO_HASH);
        const member = hash64(crc32, bytes);
        expect(sameHash(subtractHash(addHash(sum, member), member), sum)).toBe(true);
      }),
    );
  });

  test('is told apart by either half', () => {
    expect(sameHash({ high: 1, low: 2 }, { high: 1, low: 2 })).toBe(true);
    expect(sameHash({ high: 1, low: 2 }, { high: 1, low: 3 })).toBe(false);
    expect(sameHash({ high: 1, low: 2 }, { high: 0, low: 2 })).toBe(false);
  });

  test('is shown as sixteen digits', () => {
    expect(formatHash({ high: 0xab, low: 0xffff_ffff })).toBe('000000abffffffff');
  });
});
