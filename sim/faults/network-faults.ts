/** What befalls links and connections. */
import { below, type Random } from '../../src/base/random.ts';
import { type FaultTargets, pick, shuffled, some, type Strikes } from './family.ts';

/** Links of a swizzle are clogged and freed one after the other within this, in ms. */
const SWIZZLE_MS_MAX = 3_000;

/** So many majorities take turns at most. */
const HOPS_MAX = 6;

/** A link in one direction. */
type Cut = readonly [from: string, to: string];

/** See the head of this file. */
export const NETWORK_FAULTS: Strikes = {
  partitions: (targets, random) => {
    const cuts = drawCuts(targets, random);
    if (cuts.length === 0) return undefined;
    const forMs = 50 + below(random, targets.options.faults.partitionMsMax);
    cutFor(targets, cuts, forMs);
    return `cuts ${wordsOf(cuts)} for ${forMs} ms`;
  },
  hops: (targets, random) => {
    // Just a majority is connected, and then another one: who misses an entry is needed for the next.
    const hosts = peersOf(targets);
    if (hosts.length < 3) return undefined;
    const hops = 2 + below(random, HOPS_MAX - 1);
    const hopMs = 300 + below(random, 2_000);
    for (let hop = 0; hop < hops; hop += 1) {
      const others = shuffled(random, hosts).slice(Math.floor(hosts.length / 2) + 1);
      const cuts = others.flatMap((other) => bothWays(other, hosts));
      const { world } = targets;
      world.schedule(world.nowUs + hop * hopMs * 1_000 + 1, 'fault', undefined, () => cutFor(targets, cuts, hopMs));
    }
    return `${hops} majorities take turns of ${hopMs} ms`;
  },
  swizzles: (targets, random) => {
    const hosts = some(random, peersOf(targets));
    if (hosts.length === 0) return undefined;
    const { world, network } = targets;
    for (const host of hosts) {
      const fromMs = below(random, SWIZZLE_MS_MAX);
      const untilMs = SWIZZLE_MS_MAX + below(random, SWIZZLE_MS_MAX);
      const cuts = bothWays(host, peersOf(targets));
      world.schedule(world.nowUs + fromMs * 1_000, 'fault', undefined, () => {
        if (!targets.faultsGoOn()) return;
        for (const [from, to] of cuts) network.cut(from, to);
      });
      world.schedule(world.nowUs + untilMs * 1_000, 'fault', undefined, () => {
        if (!targets.faultsGoOn()) return;
        for (const [from, to] of cuts) network.heal(from, to);
      });
    }
    return `${hosts.join(', ')} are cut off one by one and come back in another order`;
  },
  breaks: ({ network }, random) => {
    const socket = pick(random, network.standing);
    if (socket === undefined) return undefined;
    network.breakConnection(socket);
    return `breaks the connection of ${socket.process.host} to ${socket.remote}`;
  },
  garbles: ({ network }, random) => {
    const socket = pick(random, network.standing);
    if (socket === undefined) return undefined;
    const end = below(random, 2) === 0 ? socket : socket.other;
    network.garbleNext(end, below(random, 2) === 0 ? 'cut' : 'noise', random);
    return `garbles what ${end.process.host} says to ${end.other.process.host}`;
  },
  storms: ({ network, world, options }, random) => {
    const forMs = 1 + below(random, options.faults.stormMsMax);
    network.stormUntilUs = Math.max(network.stormUntilUs, world.nowUs + forMs * 1_000);
    return `frames are lost, repeated and late for ${forMs} ms`;
  },
  clogs: (targets, random) => {
    const hosts = [...peersOf(targets), ...targets.workload.hosts];
    const from = pick(random, hosts);
    const to = pick(random, hosts);
    if (from === undefined || to === undefined || from === to) return undefined;
    const forMs = below(random, 4_000);
    const delayMs = below(random, 600);
    targets.network.clog(from, to, forMs * 1_000, delayMs * 1_000);
    return `clogs ${from}>${to} by ${delayMs} ms for ${forMs} ms`;
  },
};

/** One host off, two halves, or a single direction; now and then for good measure around the leader. */
function drawCuts(targets: FaultTargets, random: Random): Cut[] {
  const hosts = peersOf(targets);
  const { hosts: programs } = targets.workload;
  const mode = below(random, 4);
  const leader = targets.cluster.leader?.id;
  const drawn = pick(random, hosts) ?? '';
  const target = mode === 0 && leader !== undefined ? leader : drawn;
  if (mode <= 1) {
    const others = below(random, 2) === 0 ? hosts : [...hosts, ...programs];
    const direction = below(random, 3);
    return bothWays(target, others).filter(([from]) => direction === 0 || (from === target) === (direction === 2));
  }
  if (mode === 2) {
    const left = new Set(some(random, [...hosts, ...programs]));
    return [...hosts, ...programs].flatMap((from) =>
      hosts
        .filter((to) => left.has(from) !== left.has(to))
        .flatMap((to): Cut[] => [
          [from, to],
          [to, from],
        ]),
    );
  }
  const other = pick(
    random,
    hosts.filter((host) => host !== target),
  );
  return other === undefined ? [] : [[target, other]];
}

function cutFor({ world, network, faultsGoOn }: FaultTargets, cuts: readonly Cut[], forMs: number): void {
  if (!faultsGoOn()) return;
  world.line('world', () => `cuts ${wordsOf(cuts)} for ${forMs} ms`);
  for (const [from, to] of cuts) network.cut(from, to);
  world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
    // Everything is healed once they end, and what is cut then is cut for good.
    if (!faultsGoOn()) return;
    for (const [from, to] of cuts) network.heal(from, to);
  });
}

function bothWays(host: string, others: readonly string[]): Cut[] {
  return others
    .filter((other) => other !== host)
    .flatMap((other): Cut[] => [
      [host, other],
      [other, host],
    ]);
}

function peersOf({ cluster }: FaultTargets): string[] {
  return cluster.members.map(({ id }) => id);
}

function wordsOf(cuts: readonly Cut[]): string {
  return cuts.map((cut) => cut.join('>')).join(' ');
}
