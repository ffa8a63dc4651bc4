import { HOUR_MS } from '../../../src/scheduler/memory/blocks.ts';
import { BLOCK_BYTES_MAX, entrySizeBytes } from '../../../src/scheduler/memory/block-format.ts';

/** Limits small enough for a short run to reach them all. */
export const SMALL_LIMITS = { tasksMax: 30, sizeBytesMax: 400_000, openBlocksMax: 2 } as const;

interface ModelBlock {
  readonly id: number;
  readonly namespace: number;
  readonly hour: number;
  readonly numbers: number[];
  sizeBytes: number;
  outside: number[];
  outsideBytes: number;
  open: boolean;
}

/** Blocks of finished tasks the obvious way: one list, looked through whole for everything. */
export class BlockModel {
  blocks: ModelBlock[] = [];
  #lastId = 0;

  append(namespace: number, hour: number, number: number, entryBytes: number, outsideBytes: number): void {
    const sizeBytes = entrySizeBytes(number, entryBytes);
    const alone = sizeBytes >= BLOCK_BYTES_MAX;
    let block = alone ? undefined : this.blocks.find((b) => b.open && b.namespace === namespace && b.hour === hour);
    if (block !== undefined && block.sizeBytes + sizeBytes > BLOCK_BYTES_MAX) {
      block.open = false;
      block = undefined;
    } else if (block === undefined && !alone) {
      const open = this.blocks.filter((b) => b.open && b.namespace === namespace);
      if (open.length >= SMALL_LIMITS.openBlocksMax) (open[0] as ModelBlock).open = false;
    }
    if (block === undefined) {
      this.#lastId += 1;
      const fresh = { id: this.#lastId, namespace, hour, numbers: [], sizeBytes: 1, outside: [], outsideBytes: 0 };
      block = { ...fresh, open: !alone };
      this.blocks.push(block);
    }
    block.numbers.push(number);
    block.sizeBytes += sizeBytes;
    if (outsideBytes > 0) {
      block.outside.push(number);
      block.outsideBytes += outsideBytes;
    }
  }

  counts(namespace: number): { readonly tasks: number; readonly sizeBytes: number } {
    const own = this.blocks.filter((block) => block.namespace === namespace);
    return {
      tasks: own.reduce((sum, block) => sum + block.numbers.length, 0),
      sizeBytes: own.reduce((sum, block) => sum + block.sizeBytes + block.outsideBytes, 0),
    };
  }

  /** @returns the numbers that are gone. */
  purge(nowMs: number, maxMoves: number): number[] {
    const gone: number[] = [];
    let moves = 0;
    while (moves < maxMoves) {
      const next = this.#nextToDrop(nowMs);
      if (next === undefined) break;
      this.blocks = this.blocks.filter((block) => block !== next);
      gone.push(...next.numbers);
      moves += 1 + Math.floor(next.numbers.length / 16) + next.outside.length;
    }
    return gone;
  }

  blockOf(number: number): number | undefined {
    return this.blocks.find((block) => block.numbers.includes(number))?.id;
  }

  #nextToDrop(nowMs: number): ModelBlock | undefined {
    const due = this.blocks.filter((block) => block.hour * HOUR_MS <= nowMs);
    due.sort((left, right) => left.hour - right.hour || left.id - right.id);
    if (due[0] !== undefined) return due[0];
    for (const namespace of [1, 2]) {
      const { tasks, sizeBytes } = this.counts(namespace);
      if (tasks > SMALL_LIMITS.tasksMax || sizeBytes > SMALL_LIMITS.sizeBytesMax) {
        return this.blocks.find((block) => block.namespace === namespace);
      }
    }
    return undefined;
  }
}
