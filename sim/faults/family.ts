/** What a family of faults is: one thing that can befall the cluster, with what it needs to do it. */
import { below, type Random } from '../../src/base/random.ts';
import type { SimCluster } from '../cluster.ts';
import type { SimMember } from '../member.ts';
import type { SimNetwork } from '../network.ts';
import type { SimOperator } from '../operator.ts';
import type { FaultName, SimOptions } from '../options.ts';
import type { Workload } from '../workload.ts';
import type { World } from '../world.ts';
import type { Atlas } from './atlas.ts';
import type { Hosts } from './hosts.ts';

/** An operator that has too much to do is asked again after this, in µs. */
const ASK_AGAIN_US = 500_000;

/** Everything that faults are done to. */
export interface FaultTargets {
  readonly world: World;
  readonly options: SimOptions;
  readonly cluster: SimCluster;
  readonly network: SimNetwork;
  readonly workload: Workload;
  readonly hosts: Hosts;
  readonly atlas: Atlas;
  readonly operator: SimOperator;
  /** False once everything is healed: what was to begin later does not. */
  readonly faultsGoOn: () => boolean;
}

/**
 * Makes one fault of a family happen, by the random numbers of this one alone. Returns what it did in words, or undefined when
 * there was nothing that it could be done to.
 */
export type Strike = (targets: FaultTargets, random: Random) => string | undefined;

/** The families of one kind by their names. */
export type Strikes = Partial<Readonly<Record<FaultName, Strike>>>;

/** The directory of a peer that is down is emptied, and an operator replaces it, as soon as one has time for that. */
export function replaceBy(targets: FaultTargets, member: SimMember): void {
  const { hosts, atlas } = targets;
  atlas.forget(member);
  hosts.replace(member);
  askToReplace(targets, member);
}

/** Has an operator admit the new directory of `member`, as soon as there is one who is not too busy to listen. */
export function askToReplace({ world, operator }: FaultTargets, member: SimMember): void {
  const ask = (): void => {
    if (operator.ask({ type: 'grow', peer: member.id })) return;
    world.schedule(world.nowUs + ASK_AGAIN_US, 'fault', undefined, ask);
  };
  ask();
}

/** One of `choices`, or undefined when there is none. */
export function pick<T>(random: Random, choices: readonly T[]): T | undefined {
  return choices.length === 0 ? undefined : choices[below(random, choices.length)];
}

/** Each of `choices` by the toss of a coin. */
export function some<T>(random: Random, choices: readonly T[]): T[] {
  return choices.filter(() => below(random, 2) === 0);
}

/** `choices` in another order. */
export function shuffled<T>(random: Random, choices: readonly T[]): T[] {
  const order = [...choices];
  for (let at = order.length - 1; at > 0; at -= 1) {
    const other = below(random, at + 1);
    [order[at], order[other]] = [order[other] as T, order[at] as T];
  }
  return order;
}
