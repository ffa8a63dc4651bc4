/** Bytes of a first chunk. Each is twice as large as the one before, up to `CHUNK_BYTES_MAX`: most that copy, copy little. */
const CHUNK_BYTES_FIRST = 4_096;
const CHUNK_BYTES_MAX = 65_536;
/** Larger ones get a buffer of their own. */
const SHARE_BYTES_MAX = 8_192;

/**
 * Copies of bytes, many in one buffer: a buffer of its own for each costs more than all else that befalls a message. A copy keeps
 * its whole chunk alive, so what is soon gone and what stays are copied by different ones.
 */
export class Copies {
  #chunk = new Uint8Array(0);
  #used = 0;

  /** A copy of `bytes` that nobody else writes to. */
  of(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > SHARE_BYTES_MAX) return bytes.slice();
    if (this.#used + length > this.#chunk.length) {
      const doubled = Math.max(CHUNK_BYTES_FIRST, this.#chunk.length * 2, length);
      this.#chunk = new Uint8Array(Math.min(doubled, CHUNK_BYTES_MAX));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used = start + length;
    this.#chunk.set(bytes, start);
    return this.#chunk.subarray(start, this.#used);
  }
}
