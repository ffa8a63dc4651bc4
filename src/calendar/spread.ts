import { murmur3 } from '../base/hash.ts';

const FIELD_SEED = 0x4801;
const JITTER_SEED = 0x4a17;

/** Numbers drawn from a schedule's id, the same on every computer and in every release: changing one moves users' schedules. */
export class Spread {
  readonly #id: Uint8Array;
  readonly #jitterSeed: number;
  /** An instant as two 32-bit words, lower first. */
  readonly #instant: Uint8Array = new Uint8Array(8);

  constructor(scheduleId: string) {
    this.#id = Uint8Array.from(scheduleId, (letter) => letter.charCodeAt(0) & 0xff);
    this.#jitterSeed = murmur3(this.#id, JITTER_SEED);
  }

  /** What `H` stands for: a uniform integer in [0, 2^32) for the `item`-th part of field `field` of a pattern. */
  forField(field: number, item: number): number {
    return murmur3(this.#id, FIELD_SEED + field * 64 + item);
  }

  /** A uniform integer in [0, boundMs] for the occurrence planned at `plannedMs`. */
  jitterMs(plannedMs: number, boundMs: number): number {
    for (let at = 0, rest = plannedMs; at < 8; at += 1, rest = Math.floor(rest / 256)) this.#instant[at] = rest % 256;
    return murmur3(this.#instant, this.#jitterSeed) % (boundMs + 1);
  }
}
