/** Bugs around tasks that are due far ahead, which are in blocks on the disk until their time comes near. */
import type { Mutant } from '../mutant.ts';

const TOUCHED = 'atomix/atomix#1101: a snapshot that misses a part of the state, which is gone after a restart';

/** The bugs of what leaves memory and comes back. */
export const FAR: readonly Mutant[] = [
  {
    name: 'who-left-a-far-block-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart counts a far task in its block that was cancelled, or has come back.',
    file: 'src/scheduler/far/far-blocks.ts',
    find: `    this.directory.touch(block.slot);
    block.tasks -= 1;`,
    replace: `    block.tasks -= 1;`,
  },
  {
    name: 'far-task-that-came-back-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart finds a task both in its row and in the block from which it came back.',
    file: 'src/scheduler/memory/number-pages.ts',
    find: `    this.#willChange(page);
    page.entries[at] = row + 1;`,
    replace: `    page.entries[at] = row + 1;`,
  },
  {
    name: 'far-block-dropped-before-it-is-durable',
    origin: 'etcd-io/etcd#14370: something counts as durable before the disk has it',
    wrong: 'A sealed block leaves memory though no checkpoint holds it yet, and is missing when it is to be opened.',
    file: 'src/scheduler/memory/block-table.ts',
    find: `      if (this.bodies.isStored(block.slot)) {`,
    replace: `      if (block.sealed) {`,
  },
];
