/**
 * Every configuration that was seen in a log, by an observer outside of all peers: so that what is in force on a peer can be held
 * against what follows from its log alone.
 */
import type { LogIndex, PeerId } from '../src/base/ids.ts';
import { decodeMembers } from '../src/raft/configuration.ts';
import { type Entry, EntryKind } from '../src/raft/types.ts';

/** A configuration where it stands in a log. */
export interface SeenConfiguration {
  /** 0 for the founders. */
  readonly index: LogIndex;
  /** Of the log up to it: other logs may have another entry there. */
  readonly chain: number;
  /** By id. */
  readonly voters: readonly PeerId[];
  readonly learners: readonly PeerId[];
}

/** A log as its chains. */
export interface ChainedLog {
  readonly lastIndex: LogIndex;
  chainAt(index: LogIndex): number | undefined;
  entryAt(index: LogIndex): Entry | undefined;
}

/** See the head of this file. */
export class ConfigurationBook {
  /** Ascending by index. */
  readonly #seen: SeenConfiguration[];

  constructor(founders: readonly PeerId[]) {
    this.#seen = [{ index: 0, chain: 0, voters: founders, learners: [] }];
  }

  /** Takes in what stands in `log` from `from` on. Returns those that were not known. */
  see(log: ChainedLog, from: LogIndex): SeenConfiguration[] {
    const fresh: SeenConfiguration[] = [];
    for (let index = Math.max(1, from); index <= log.lastIndex; index += 1) {
      const entry = log.entryAt(index);
      const chain = log.chainAt(index);
      if (entry?.kind !== EntryKind.configuration || chain === undefined) continue;
      if (this.#seen.some((one) => one.index === index && one.chain === chain)) continue;
      const members = decodeMembers(entry.data);
      const voters = members.filter(({ votes }) => votes).map(({ peer }) => peer);
      const learners = members.filter(({ votes }) => !votes).map(({ peer }) => peer);
      const one = { index, chain, voters, learners };
      this.#seen.push(one);
      this.#seen.sort((left, right) => left.index - right.index);
      fresh.push(one);
    }
    return fresh;
  }

  /** The newest that stands in `log` before `before`. */
  newest(log: ChainedLog, before: LogIndex): SeenConfiguration | undefined {
    for (let at = this.#seen.length - 1; at >= 0; at -= 1) {
      const one = this.#seen[at] as SeenConfiguration;
      if (one.index < before && (one.index === 0 || log.chainAt(one.index) === one.chain)) return one;
    }
    return undefined;
  }

  /** Those that stand in `log` before `before`, the newest first, the founders' at the end. */
  *of(log: ChainedLog, before: LogIndex): Generator<SeenConfiguration, undefined> {
    for (let at = this.#seen.length - 1; at >= 0; at -= 1) {
      const one = this.#seen[at] as SeenConfiguration;
      if (one.index < before && (one.index === 0 || log.chainAt(one.index) === one.chain)) yield one;
    }
  }
}
