import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** HMAC-SHA-256: 32 bytes. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return plain(createHmac('sha256', key).update(data).digest());
}

/** SHA-256: 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return plain(createHash('sha256').update(data).digest());
}

/**
 * True when both texts are equal. The time it takes depends on the length of `given` alone, which whoever sent it knows: both
 * are hashed first, so that lengths are equal and nothing is learned from where the comparison stopped.
 */
export function constantTimeEqual(given: string, expected: string): boolean {
  return timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(expected).digest());
}

function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
