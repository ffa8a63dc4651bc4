/** Ways between peers on which nothing passes, little passes, or which break. */
import { below, type Random } from '../../src/base/random.ts';
import { pause } from '../clock.ts';
import { type Way, waysBetween } from '../network.ts';
import { type Fault, type FaultContext, pick, shuffled } from './fault.ts';

/** Some cannot hear some others. */
export const partition: Fault = {
  name: 'partition',
  kind: 'network',
  unavailable: () => undefined,
  async run(context) {
    const { cluster, random, say } = context;
    const leader = (await cluster.leader())?.peer ?? pick(random, cluster.ids);
    const shape = pick(random, SHAPES);
    const ways = shape.ways(cluster.ids, leader, random);
    const lengthMs = 1_000 + below(random, 4_000);
    say(`partition for ${lengthMs} ms: ${shape.name}: ${ways.map(({ from, to }) => `${from}>${to}`).join(' ')}`);
    for (const way of ways) await cluster.network.block(way);
    await healAfter(context, lengthMs);
  },
};

/** Everything on some ways arrives late. */
export const delay: Fault = {
  name: 'delay',
  kind: 'network',
  unavailable: (cluster) =>
    cluster.network.canSpoil ? undefined : 'packets can be dropped on this network and not delayed',
  async run(context) {
    const { cluster, random, say } = context;
    const ways = someWays(cluster.ids, random);
    const delayMs = pick(random, [5, 30, 120, 400, 900]);
    const lengthMs = 1_000 + below(random, 3_000);
    say(`delay by ${delayMs} ms for ${lengthMs} ms: ${ways.map(({ from, to }) => `${from}>${to}`).join(' ')}`);
    for (const way of ways) cluster.network.delay(way, delayMs);
    await healAfter(context, lengthMs);
  },
};

/** Connections are reset, again and again. */
export const cut: Fault = {
  name: 'cut',
  kind: 'network',
  unavailable: (cluster) =>
    cluster.network.canSpoil ? undefined : 'packets can be dropped on this network and connections not cut',
  async run({ cluster, random, say }) {
    const times = 1 + below(random, 6);
    say(`cut connections ${times} times`);
    for (let time = 0; time < times; time += 1) {
      for (const way of someWays(cluster.ids, random)) cluster.network.cut(way);
      await pause(50 + below(random, 700));
    }
  },
};

/** Connections die at one end alone: the other goes on to send, and hears nothing. */
export const halfOpen: Fault = {
  name: 'half-open',
  kind: 'network',
  unavailable: (cluster) =>
    cluster.network.canSpoil ? undefined : 'connections cannot be taken from one end on this network',
  async run({ cluster, random, say }) {
    const ways = someWays(cluster.ids, random);
    say(`connections die at one end: ${ways.map(({ from, to }) => `${from}>${to}`).join(' ')}`);
    for (const way of ways) cluster.network.halfOpen(way);
    await pause(1_000 + below(random, 2_000));
  },
};

interface Shape {
  readonly name: string;
  ways(ids: readonly string[], leader: string, random: Random): readonly Way[];
}

const SHAPES: readonly Shape[] = [
  {
    name: 'the leader alone',
    ways: (ids, leader) => {
      const others = ids.filter((id) => id !== leader);
      return [...waysBetween([leader], others), ...waysBetween(others, [leader])];
    },
  },
  {
    name: 'a minority apart',
    ways: (ids, _leader, random) => {
      const order = shuffled(random, ids);
      const [minority, majority] = [order.slice(0, (ids.length - 1) / 2), order.slice((ids.length - 1) / 2)];
      return [...waysBetween(minority, majority), ...waysBetween(majority, minority)];
    },
  },
  {
    name: 'the leader speaks and hears nothing',
    ways: (ids, leader) =>
      waysBetween(
        ids.filter((id) => id !== leader),
        [leader],
      ),
  },
  {
    name: 'the leader hears and says nothing',
    ways: (ids, leader) =>
      waysBetween(
        [leader],
        ids.filter((id) => id !== leader),
      ),
  },
  {
    name: 'two that both reach the rest and not each other',
    ways: (ids, leader, random) => {
      const other = pick(
        random,
        ids.filter((id) => id !== leader),
      );
      return [...waysBetween([leader], [other]), ...waysBetween([other], [leader])];
    },
  },
  {
    name: 'one way',
    ways: (ids, leader, random) =>
      waysBetween(
        [
          pick(
            random,
            ids.filter((id) => id !== leader),
          ),
        ],
        [leader],
      ),
  },
];

/** One way, or all from or to one peer. */
function someWays(ids: readonly string[], random: Random): readonly Way[] {
  const one = pick(random, ids);
  const others = ids.filter((id) => id !== one);
  const all = [...waysBetween([one], others), ...waysBetween(others, [one])];
  return below(random, 2) === 0 ? all : [pick(random, all)];
}

async function healAfter({ cluster }: FaultContext, lengthMs: number): Promise<void> {
  await pause(lengthMs);
  await cluster.network.heal();
  await pause(300);
}
