/**
 * What an observer outside of all peers has seen: each peer's log as it stands in memory, and the one sequence of entries that
 * was committed. It outlives crashes, so that what a peer says after one can be held against what it said before.
 */
import { assert } from '../src/base/assert.ts';
import type { LogIndex, PeerId, Term } from '../src/base/ids.ts';
import type { Raft } from '../src/raft/raft.ts';
import type { Entry } from '../src/raft/types.ts';
import { CHAIN_START, type ChainLink, extendChain } from './chain.ts';
import type { DurableLog } from './durable-log.ts';

/** What changed in a log between two looks. */
export interface LogChange {
  /** The lowest index that now holds another entry, or none; past the end when nothing was cut. */
  readonly cutFrom: LogIndex;
  /** The log as it was ended here. */
  readonly oldLast: LogIndex;
  readonly newLast: LogIndex;
}

/** A log as the disk holds it after a damage. What lies before its first entry belongs to no log. */
interface DamagedLog {
  readonly firstIndex: LogIndex;
  readonly entryAt: (index: LogIndex) => Entry | undefined;
}

/** The log of one peer as its core has it, entry by entry. */
export class LogMirror {
  #links: (ChainLink | undefined)[] = [];
  #entries: (Entry | undefined)[] = [];
  #lastIndex: LogIndex = 0;

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  chainAt(index: LogIndex): number | undefined {
    if (index === 0) return CHAIN_START;
    return index > this.#lastIndex ? undefined : this.#links[index]?.chain;
  }

  linkAt(index: LogIndex): ChainLink | undefined {
    return index > this.#lastIndex ? undefined : this.#links[index];
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[index];
  }

  /**
   * The peer starts anew, from what its disk holds. `damaged` reads that from where its log begins, when damage befell it: entries that
   * had been overwritten may be back, and the core does not have all of them in memory.
   */
  restart(durable: DurableLog, damaged?: DamagedLog): void {
    this.#lastIndex = durable.lastIndex;
    this.#links = durable.links();
    if (damaged !== undefined) this.#relink(damaged);
    // Holes, but a plain array: one that grows from nothing at a high index becomes a hash table.
    this.#entries = Array.from({ length: durable.lastIndex + 1 });
  }

  #relink({ firstIndex, entryAt }: DamagedLog): void {
    for (let index = firstIndex; index <= this.#lastIndex; index += 1) {
      const before = index === 1 ? CHAIN_START : this.#links[index - 1]?.chain;
      const entry = entryAt(index);
      if (entry !== undefined && before !== undefined) this.#links[index] = extendChain(before, entry);
    }
  }

  /** Looks at the log. Costs what has changed since the last look. */
  look(raft: Raft): LogChange {
    const { log } = raft.inspect();
    const oldLast = this.#lastIndex;
    const { lastIndex, memoryFirst } = log;
    let same = lastIndex;
    while (same >= memoryFirst && (same > oldLast || this.#entries[same] !== log.entry(same))) same -= 1;
    assert(same <= oldLast, 'what was never seen is in memory');
    const knew = this.#entries[same + 1] !== undefined && same + 1 <= oldLast;
    for (let index = same + 1; index <= lastIndex; index += 1) {
      const entry = log.entry(index);
      this.#entries[index] = entry;
      this.#links[index] = extendChain(this.#links[index - 1]?.chain ?? CHAIN_START, entry);
    }
    this.#lastIndex = lastIndex;
    if (lastIndex < oldLast) {
      this.#links.length = lastIndex + 1;
      this.#entries.length = lastIndex + 1;
    }
    return { cutFrom: knew ? same + 1 : Math.min(oldLast, lastIndex) + 1, oldLast, newLast: lastIndex };
  }
}

/** An entry that was committed. */
export interface Committed extends ChainLink {
  readonly entry: Entry;
  /** The term in which the first peer knew of it. */
  readonly byTerm: Term;
  /** Who knew first. */
  readonly by: PeerId;
  readonly atUs: number;
}

/** The entries that were committed, in order. */
export class CommittedLog {
  readonly #entries: Committed[] = [];

  get lastIndex(): LogIndex {
    return this.#entries.length;
  }

  at(index: LogIndex): Committed | undefined {
    return this.#entries[index - 1];
  }

  chainAt(index: LogIndex): number | undefined {
    return index === 0 ? CHAIN_START : this.#entries[index - 1]?.chain;
  }

  add(committed: Committed): void {
    assert(committed.entry.index === this.lastIndex + 1, 'commits come in order');
    this.#entries.push(committed);
  }
}
