import type { Disk } from './disk.ts';
import type { Space } from './storage.ts';

/** The ballast is at most this part of what is free when it is taken. */
const PART_OF_FREE = 8;
/** After a release it is taken again when this many times its size is free. */
const FREE_FACTOR = 4;
/** Less than this would help nobody. */
const BALLAST_MIN_BYTES = 1024 * 1024;

/**
 * Keeps the ballast of a data directory: room that is taken while there is plenty and given back at the first write that finds
 * none, so that the directory can be opened again, which copies what LevelDB holds in its log, and compacted.
 *
 *     none ──[ask, room]──▶ held ──[no space]──▶ released ──[ask, plenty of room]──▶ held
 */
export class BallastKeeper {
  readonly #disk: Disk;
  readonly #wantedBytes: number;
  #underWay: Promise<void> | undefined;

  /** @param wantedBytes 0 for none. */
  constructor(disk: Disk, wantedBytes: number) {
    this.#disk = disk;
    this.#wantedBytes = wantedBytes;
  }

  /** How much room there is. Begins to take the ballast where there is none and may be. */
  async space(): Promise<Space> {
    const [freeBytes, ballastBytes] = await Promise.all([this.#disk.freeBytes(), this.#disk.ballastBytes()]);
    if (this.#underWay !== undefined) return { freeBytes, ballast: false };
    const held = ballastBytes !== undefined && ballastBytes > 0;
    if (!held) this.#take(freeBytes, ballastBytes === 0);
    return { freeBytes, ballast: held };
  }

  /** Gives it back. Never rejects: the failure that calls for it is the one to tell. */
  release(): void {
    const before = this.#underWay;
    this.#underWay = this.#disk
      .releaseBallast()
      .then(() => before)
      .catch(() => undefined)
      .finally(() => {
        this.#underWay = undefined;
      });
  }

  /** Fulfilled when what is under way is done. Never rejects. */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  #take(freeBytes: number, wasReleased: boolean): void {
    const sizeBytes = Math.min(this.#wantedBytes, Math.floor(freeBytes / PART_OF_FREE));
    if (sizeBytes < BALLAST_MIN_BYTES) return;
    if (wasReleased && freeBytes < this.#wantedBytes * FREE_FACTOR) return;
    // Where it finds no room there is none, which is no failure.
    this.#underWay = this.#disk
      .reserveBallast(sizeBytes)
      .catch(() => undefined)
      .finally(() => {
        this.#underWay = undefined;
      });
  }
}
