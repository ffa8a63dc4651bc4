import { randomFillSync } from 'node:crypto';
import type { Random } from '../base/random.ts';

/** Numbers drawn at once: a call of the system for each would cost more than the number. */
const POOL_NUMBERS = 256;

/** Random numbers of the operating system, good enough for nonces and incarnations. */
export class RealRandom implements Random {
  readonly #pool = new Uint32Array(POOL_NUMBERS);
  #next = POOL_NUMBERS;

  uint32(): number {
    if (this.#next === POOL_NUMBERS) {
      randomFillSync(this.#pool);
      this.#next = 0;
    }
    const value = this.#pool[this.#next] as number;
    // What was handed out may be part of a secret: it is not kept.
    this.#pool[this.#next] = 0;
    this.#next += 1;
    return value;
  }
}
