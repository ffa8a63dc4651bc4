const SHARD = 32_768;

/**
 * From a task's number to a slot, in one small Map for every 32,768 numbers: a Map of millions holds the caller for hundreds of
 * milliseconds when it grows.
 */
export class NumberMap {
  readonly #shards = new Map<number, Map<number, number>>();

  /** The slot of `number`, -1 when there is none. */
  get(number: number): number {
    return this.#shards.get(Math.floor(number / SHARD))?.get(number) ?? -1;
  }

  set(number: number, slot: number): void {
    const at = Math.floor(number / SHARD);
    let shard = this.#shards.get(at);
    if (shard === undefined) {
      shard = new Map();
      this.#shards.set(at, shard);
    }
    shard.set(number, slot);
  }

  delete(number: number): void {
    const at = Math.floor(number / SHARD);
    const shard = this.#shards.get(at);
    if (shard === undefined) return;
    shard.delete(number);
    if (shard.size === 0) this.#shards.delete(at);
  }
}
