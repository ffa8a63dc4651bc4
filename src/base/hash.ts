/** CRC-32 (ISO-HDLC, the one of zlib) of `bytes`; `seed` is the CRC of what came before. Result in [0, 2^32). */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

/** A 64-bit hash as two unsigned 32-bit halves of unrelated functions, so that both must collide to fool us. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

/** The digest of the empty set. */
export const ZERO_HASH: Hash64 = { high: 0, low: 0 };

const WORDS_FROM_BYTES = 512;

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** MurmurHash3 (Appleby, x86 32-bit variant) of `bytes`: unrelated to CRC-32, which is linear. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const length = bytes.length;
  const blocksEnd = length & ~3;
  let hash = seed | 0;
  let at = 0;
  // Long input that lies well is read a word at a time: twice as fast, same hash.
  if (length >= WORDS_FROM_BYTES && LITTLE_ENDIAN && (bytes.byteOffset & 3) === 0) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, blocksEnd >>> 2);
    for (let index = 0; index < words.length; index += 1) {
      hash ^= scramble(words[index] as number);
      hash = (hash << 13) | (hash >>> 19);
      hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    }
    at = blocksEnd;
  }
  for (; at < blocksEnd; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    hash ^= scramble(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = length - 1; at >= blocksEnd; at -= 1) tail = (tail << 8) | (bytes[at] as number);
  if (length !== blocksEnd) hash ^= scramble(tail);
  return finish(hash ^ length);
}

/** Both halves for `bytes`. */
export function hash64(crc32: Crc32, bytes: Uint8Array): Hash64 {
  return { high: crc32(bytes), low: murmur3(bytes, 0x7a5c) };
}

/** Adds two hashes, half by half modulo 2^32. Sums do not depend on order, so a set has one digest. */
export function addHash(left: Hash64, right: Hash64): Hash64 {
  return { high: (left.high + right.high) >>> 0, low: (left.low + right.low) >>> 0 };
}

/** Takes `right` out of a sum that holds it. */
export function subtractHash(left: Hash64, right: Hash64): Hash64 {
  return { high: (left.high - right.high) >>> 0, low: (left.low - right.low) >>> 0 };
}

/** True when both halves are equal. */
export function sameHash(left: Hash64, right: Hash64): boolean {
  return left.high === right.high && left.low === right.low;
}

/** Sixteen hexadecimal digits, for people and for status answers. */
export function formatHash(hash: Hash64): string {
  return hash.high.toString(16).padStart(8, '0') + hash.low.toString(16).padStart(8, '0');
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

function finish(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
