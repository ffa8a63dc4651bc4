import { murmur3 } from '../../base/hash.ts';

const SHARD_BITS = 8;
const SHARDS = 1 << SHARD_BITS;
const EMPTY = -1;

/** Says whether `slot` holds what is looked for. */
export type Matches = (slot: number) => boolean;

/** The hash under which an index finds (namespace, bytes). */
export function indexHash(namespace: number, bytes: Uint8Array): number {
  return murmur3(bytes, Math.imul(namespace + 1, 0x9e3779b1));
}

interface Shard {
  /** Slots by probe position, EMPTY where there is none. */
  slots: Int32Array;
  hashes: Uint32Array;
  count: number;
}

/**
 * Slots by a hash of their keys, without a string or an object a key: open addressing with linear probing, in 256 shards that grow
 * one at a time, so that ten million keys never hold the caller for more than a shard of them.
 */
export class BytesIndex {
  /** A shard is made with its first slot. */
  readonly #shards: (Shard | undefined)[] = Array.from({ length: SHARDS });

  /** The slot with `hash` for which `matches` says yes, -1 when there is none. */
  find(hash: number, matches: Matches): number {
    const shard = this.#shards[hash & (SHARDS - 1)];
    if (shard === undefined) return -1;
    const { slots, hashes } = shard;
    const mask = slots.length - 1;
    for (let at = (hash >>> SHARD_BITS) & mask; ; at = (at + 1) & mask) {
      const slot = slots[at] as number;
      if (slot === EMPTY) return -1;
      if (hashes[at] === hash && matches(slot)) return slot;
    }
  }

  /** Adds a slot that is not in. */
  add(hash: number, slot: number): void {
    const shard = (this.#shards[hash & (SHARDS - 1)] ??= emptyShard(8));
    if ((shard.count + 1) * 4 > shard.slots.length * 3) grow(shard);
    insert(shard, hash, slot);
    shard.count += 1;
  }

  /** Takes a slot out; nothing happens when it is not in. */
  remove(hash: number, slot: number): void {
    const shard = this.#shards[hash & (SHARDS - 1)];
    if (shard === undefined) return;
    const { slots, hashes } = shard;
    const mask = slots.length - 1;
    let at = (hash >>> SHARD_BITS) & mask;
    while (slots[at] !== slot) {
      if (slots[at] === EMPTY) return;
      at = (at + 1) & mask;
    }
    // Later ones of the same run move back, so that no search ends before them.
    let gap = at;
    for (let next = (at + 1) & mask; slots[next] !== EMPTY; next = (next + 1) & mask) {
      const home = ((hashes[next] as number) >>> SHARD_BITS) & mask;
      if (((next - home) & mask) < ((next - gap) & mask)) continue;
      slots[gap] = slots[next] as number;
      hashes[gap] = hashes[next] as number;
      gap = next;
    }
    slots[gap] = EMPTY;
    shard.count -= 1;
  }
}

function emptyShard(capacity: number): Shard {
  return { slots: new Int32Array(capacity).fill(EMPTY), hashes: new Uint32Array(capacity), count: 0 };
}

function insert(shard: Shard, hash: number, slot: number): void {
  const mask = shard.slots.length - 1;
  let at = (hash >>> SHARD_BITS) & mask;
  while (shard.slots[at] !== EMPTY) at = (at + 1) & mask;
  shard.slots[at] = slot;
  shard.hashes[at] = hash;
}

function grow(shard: Shard): void {
  const grown = emptyShard(shard.slots.length * 2);
  for (let at = 0; at < shard.slots.length; at += 1) {
    const slot = shard.slots[at] as number;
    if (slot !== EMPTY) insert(grown, shard.hashes[at] as number, slot);
  }
  shard.slots = grown.slots;
  shard.hashes = grown.hashes;
}
