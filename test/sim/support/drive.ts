import type { World } from '../../../sim/world.ts';

/** Lets virtual time pass while a test waits for promises of the simulated world. */
export class Drive {
  readonly #world: World;
  #running = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** Time passes by itself from now on. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#go();
  }

  stop(): void {
    this.#running = false;
  }

  /** Time passes until `promise` is settled. */
  async through<T>(promise: Promise<T>): Promise<T> {
    const outcome: { settled: boolean } = { settled: false };
    const watched = promise.finally(() => (outcome.settled = true));
    watched.catch(() => undefined);
    await this.until(() => outcome.settled);
    return watched;
  }

  /** Time passes until `condition` holds. */
  async until(condition: () => boolean): Promise<void> {
    for (let rounds = 0; !condition(); rounds += 1) {
      if (rounds > 20_000) throw new Error('it never comes to that');
      await this.#world.run(this.#world.nowUs + 5_000, condition);
    }
  }

  async #go(): Promise<void> {
    while (this.#running) {
      await this.#world.run(this.#world.nowUs + 100_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
