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
    let settled = false;
    const watched = promise.finally(() => (settled = true));
    watched.catch(() => undefined);
    for (let rounds = 0; !settled && rounds < 100; rounds += 1) await this.#world.run(this.#world.nowUs + 1_000_000);
    if (!settled) throw new Error('it waits for something that never comes');
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
