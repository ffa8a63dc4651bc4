/**
 * What of a peer's log would survive a crash now, read from the bytes on its disk as they become durable. The checkers hold
 * every promise that a peer makes against this.
 */
import type { Crc32 } from '../src/base/hash.ts';
import type { LogIndex, PeerId, Term } from '../src/base/ids.ts';
import type { HardState } from '../src/raft/types.ts';
import { indexOfKey, isEntryKey, isMetaKey } from '../src/storage/keys.ts';
import { LogCodec, type LogMeta } from '../src/storage/log-record.ts';
import { CHAIN_START, type ChainLink, extendChain } from './chain.ts';
import type { Step } from './sorted-store.ts';

/** A log as it was at some moment. */
export interface DurableCopy {
  readonly links: readonly (ChainLink | undefined)[];
  readonly hardState: HardState;
}

/** See the head of this file. */
export class DurableLog {
  readonly #codec: LogCodec;
  /** What was committed, which a state that comes from another peer stands for. */
  readonly #history: (index: LogIndex) => ChainLink | undefined;
  /** By index; what was compacted stays known here. */
  readonly #links: (ChainLink | undefined)[] = [];
  #lastIndex: LogIndex = 0;
  #hardState: HardState = { term: 0, votedFor: undefined };
  #truncated = 0;
  #reset = 0;
  #version = 0;

  /** The end of the log as it was acknowledged before damage took a part of it; empty while nothing is missing. */
  #remembered: readonly (ChainLink | undefined)[] = [];
  #isWounded = false;

  constructor(crc32: Crc32, history: (index: LogIndex) => ChainLink | undefined = () => undefined) {
    this.#codec = new LogCodec(crc32);
    this.#history = history;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get term(): Term {
    return this.#hardState.term;
  }

  get votedFor(): PeerId | undefined {
    return this.#hardState.votedFor;
  }

  /** Counts changes, so that an observer sees at a glance whether there was one. */
  get version(): number {
    return this.#version;
  }

  /** Entries that were on the disk and were cut, so far. */
  get truncated(): number {
    return this.#truncated;
  }

  /** How often the log was begun anew behind a state from another peer. */
  get snapshots(): number {
    return this.#reset;
  }

  /** The chain up to `index`; undefined when the log ends before. */
  chainAt(index: LogIndex): number | undefined {
    if (index === 0) return CHAIN_START;
    return index > this.#lastIndex ? undefined : this.#links[index]?.chain;
  }

  linkAt(index: LogIndex): ChainLink | undefined {
    return index > this.#lastIndex ? undefined : this.#links[index];
  }

  /**
   * True when the log up to `index` counts here as (`index`, `chain`): it is on the disk, or damage took it and the peer goes on
   * voting as if it were there.
   */
  vouchesFor(index: LogIndex, chain: number | undefined): boolean {
    if (chain === undefined) return false;
    return this.chainAt(index) === chain || this.#remembered[index]?.chain === chain;
  }

  /** The last entry that had been acknowledged when damage befell it; undefined once all of it is known to be back. */
  get rememberedEnd(): { readonly index: LogIndex; readonly term: Term } | undefined {
    const link = this.#remembered.at(-1);
    return link === undefined ? undefined : { index: this.#remembered.length - 1, term: link.term };
  }

  /** True from a damage to the disk on until everything that it took is back. */
  get isWounded(): boolean {
    return this.#isWounded;
  }

  /** Damage is about to befall it: what it has acknowledged by now is remembered until `mended`. */
  wounded(): void {
    this.#isWounded = true;
    this.#remember();
  }

  /** Everything that damage took is back. */
  mended(): void {
    this.#isWounded = false;
    this.#remembered = [];
  }

  #remember(): void {
    if (this.#remembered.length <= this.#lastIndex) this.#remembered = this.links();
  }

  /** The disk is another one now, with nothing on it. What was acknowledged before may be counted until it is replaced. */
  wiped(): void {
    this.#remember();
    this.#links.length = 0;
    this.#lastIndex = 0;
    this.#hardState = { term: 0, votedFor: undefined };
    this.#version += 1;
  }

  /** What would be found if the disk were copied now. */
  copy(): DurableCopy {
    return { links: this.links(), hardState: this.#hardState };
  }

  /** The disk is as it was when `copy` was made. What was acknowledged since may be counted until the peer is replaced. */
  restored({ links, hardState }: DurableCopy): void {
    this.#remember();
    this.#links.length = 0;
    this.#links.push(...links);
    this.#lastIndex = Math.max(0, links.length - 1);
    this.#hardState = hardState;
    this.#version += 1;
  }

  /** All links by index, as they stand now. */
  links(): (ChainLink | undefined)[] {
    return this.#links.slice(0, this.#lastIndex + 1);
  }

  /** A batch has become durable. */
  wrote(steps: readonly Step[]): void {
    let meta: LogMeta | undefined;
    let lowest = this.#lastIndex + 1;
    // A batch has one of them, most often as its last step. Places are counted: no other loop is met as often by so few entries.
    for (let at = 0; at < steps.length; at += 1) {
      const [key, value] = steps[at] as Step;
      if (value === undefined || !isMetaKey(key)) continue;
      meta = this.#codec.decodeMeta(value, indexOfKey(key));
      this.#beginBehind(meta);
    }
    for (let at = 0; at < steps.length; at += 1) {
      const [key, value] = steps[at] as Step;
      if (value === undefined || !isEntryKey(key)) continue;
      const index = indexOfKey(key);
      const { entry } = this.#codec.decodeEntry(value, index);
      lowest = Math.min(lowest, index);
      this.#links[index] = extendChain(this.#links[index - 1]?.chain ?? CHAIN_START, entry);
    }
    if (meta === undefined) return;
    const { last, hardState } = meta;
    this.#version += 1;
    this.#truncated += Math.max(0, this.#lastIndex + 1 - Math.min(lowest, last.index + 1));
    this.#lastIndex = last.index;
    if (this.#links.length !== last.index + 1) this.#links.length = last.index + 1;
    this.#hardState = hardState;
  }

  /** Where the log begins anew behind a state of which it did not hold the entries, these are what was committed. */
  #beginBehind({ base, last }: LogMeta): void {
    // Until the damage is found the peer goes on, and acknowledges.
    if (this.#isWounded && last.index < this.#lastIndex) this.#remember();
    if (base.index === 0 || this.linkAt(base.index)?.term === base.term) return;
    this.#reset += 1;
    this.#links.length = 0;
    for (let index = base.index; index > 0; index -= 1) this.#links[index] = this.#history(index);
    if (this.#links[base.index]?.term !== base.term) this.#links[base.index] = undefined;
  }
}
