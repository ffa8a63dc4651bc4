/** What a fault is given, and what it is. One fault a file. */
import type { Random } from '../../src/base/random.ts';
import type { ChaosCluster } from '../cluster.ts';

/** What faults are given. */
export interface FaultContext {
  readonly cluster: ChaosCluster;
  readonly random: Random;
  /** Says what is done, for people. */
  say(line: string): void;
  /** When the first attempt started that a leader of a later term than `term` assigned, by the shared clock in ms. */
  startAfter(term: number): number | undefined;
  /** Notes how long it was from the end of a leader to the next start, in ms. */
  noteFailover(how: 'kill' | 'stop', ms: number): void;
  /** Counts something worth telling at the end. */
  count(what: string): void;
}

/** Something that goes wrong, for a while. */
export interface Fault {
  readonly name: string;
  /**
   * `process` and `network` faults may happen at the same time; an `exclusive` one begins when the cluster is whole, and no other
   * happens meanwhile, because it takes away what the others stand on.
   */
  readonly kind: 'process' | 'network' | 'exclusive';
  /** Why it cannot happen here, as a sentence without its end; undefined when it can. */
  unavailable(cluster: ChaosCluster): string | undefined;
  /** Makes it happen, lets it last, and ends it. @throws when the cluster does not come back as it should */
  run(context: FaultContext): Promise<void>;
}

/** One of several. @throws when there are none */
export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[random.uint32() % Math.max(1, items.length)];
  if (item === undefined) throw new Error('there is nothing to choose from');
  return item;
}

/** `items` in an order by lot. */
export function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const order = items.map((item) => ({ item, lot: random.uint32() }));
  return order.sort((left, right) => left.lot - right.lot).map(({ item }) => item);
}
