import { existsSync, statSync, truncateSync } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

const BALLAST = 'ballast';
/** While it is written; what a crash leaves of it is overwritten or removed. */
const UNFINISHED = 'ballast.new';
const CHUNK_BYTES = 1024 * 1024;

/**
 * The ballast of a data directory: a file that holds nothing but room. It is written in full and not just made long, since a
 * file with holes takes no room, and with bytes that do not compress, for file systems that do that. Empty after a release.
 */
export class BallastFile {
  readonly #path: string;
  readonly #unfinished: string;
  #stopped = false;
  #reserving: Promise<void> | undefined;

  /** @param location The data directory. */
  constructor(location: string) {
    this.#path = join(location, BALLAST);
    this.#unfinished = join(location, UNFINISHED);
  }

  /** See `Disk.ballastBytes`. */
  sizeBytes(): number | undefined {
    return statSync(this.#path, { throwIfNoEntry: false })?.size;
  }

  /** See `Disk.reserveBallast`. */
  reserve(sizeBytes: number): Promise<void> {
    this.#reserving ??= this.#reserve(sizeBytes).finally(() => {
      this.#reserving = undefined;
    });
    return this.#reserving;
  }

  /** See `Disk.releaseBallast`. */
  async release(): Promise<void> {
    await this.#stop();
    if (existsSync(this.#path)) truncateSync(this.#path, 0);
    await rm(this.#unfinished, { force: true });
    this.#stopped = false;
  }

  /** Ends what is under way; nothing is reserved any more. */
  close(): Promise<void> {
    return this.#stop();
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    await this.#reserving?.catch(() => undefined);
  }

  async #reserve(sizeBytes: number): Promise<void> {
    if (this.#stopped) return;
    try {
      const file = await open(this.#unfinished, 'w', 0o600);
      try {
        await this.#fill(file, sizeBytes);
      } finally {
        await file.close();
      }
      if (this.#stopped) await rm(this.#unfinished, { force: true });
      else await rename(this.#unfinished, this.#path);
    } catch (error) {
      await rm(this.#unfinished, { force: true });
      throw error;
    }
  }

  /** Piece by piece, so that it can be stopped, and holds neither the event loop nor the disk for long. */
  async #fill(file: FileHandle, sizeBytes: number): Promise<void> {
    const chunk = noise(Math.min(CHUNK_BYTES, sizeBytes));
    for (let at = 0; at < sizeBytes && !this.#stopped; at += chunk.length) {
      await file.write(chunk, 0, Math.min(chunk.length, sizeBytes - at));
      await file.datasync();
    }
  }
}

/** Bytes without a pattern that a file system would find (xorshift32, Marsaglia). */
function noise(sizeBytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  let word = 0x9e3779b9;
  for (let at = 0; at < words.length; at += 1) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    words[at] = word;
  }
  return new Uint8Array(words.buffer, 0, sizeBytes);
}
