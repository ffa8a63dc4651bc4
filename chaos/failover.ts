/** How long nothing is placed when a leader dies, or is asked to end: over many leaders, one after the other, on a quiet cluster. */
import { mkdirSync } from 'node:fs';
import { below, SeededRandom } from '../src/base/random.ts';
import { pause, sharedClockMs } from './clock.ts';
import { ChaosCluster } from './cluster.ts';
import { describeDistribution, type Distribution, distributionOf } from './distribution.ts';
import type { FaultContext } from './faults/fault.ts';
import { endLeader } from './faults/processes.ts';
import { Load } from './load.ts';
import type { Network } from './network.ts';

/** What is measured. */
export interface FailoverOptions {
  readonly directory: string;
  readonly network: Network;
  readonly peers: number;
  /** Leaders ended by SIGKILL. */
  readonly kills: number;
  /** Leaders ended by SIGTERM. */
  readonly stops: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** What came of it. All times are from the signal to the first start of an attempt that a later leader assigned. */
export interface FailoverReport {
  readonly peers: number;
  readonly tookSeconds: number;
  readonly kill: Distribution;
  readonly stop: Distribution;
  /** Every time, in the order in which it was measured, in ms. */
  readonly killsMs: readonly number[];
  readonly stopsMs: readonly number[];
}

const CLIENTS = 4;
const PACE_MS = 4;
/** Between a cluster that is whole and the next signal, by lot: a leader may be anywhere between two heartbeats. */
const REST_MS = { min: 200, more: 400 };
const SAID_EVERY = 20;

/** Measures. @throws when the cluster does not come back */
export async function measureFailover(options: FailoverOptions): Promise<FailoverReport> {
  const { directory, network, seed, say } = options;
  mkdirSync(directory, { recursive: true });
  const began = sharedClockMs();
  const ids = Array.from({ length: options.peers }, (_, at) => `p${at + 1}`);
  const cluster = new ChaosCluster({ directory, network, ids, environment: {}, arguments: ['--log-level', 'warn'] });
  let load: Load | undefined;
  const times: { readonly kill: number[]; readonly stop: number[] } = { kill: [], stop: [] };
  try {
    await cluster.start();
    const clients = { clients: CLIENTS, clientsTogether: CLIENTS, paceMs: PACE_MS };
    load = new Load(cluster, { kind: 'submissions', seed, token: undefined, ...clients, workers: 1, slots: 256 });
    await load.ready();
    await Promise.race([measure(options, cluster, load, times), load.broken]);
  } finally {
    await load?.end();
    await cluster.end('kill');
  }
  say(`SIGKILL: ${describeDistribution(distributionOf(times.kill))}`);
  say(`SIGTERM: ${describeDistribution(distributionOf(times.stop))}`);
  return {
    peers: options.peers,
    tookSeconds: Math.round((sharedClockMs() - began) / 100) / 10,
    kill: distributionOf(times.kill),
    stop: distributionOf(times.stop),
    killsMs: times.kill.map(tenths),
    stopsMs: times.stop.map(tenths),
  };
}

async function measure(
  { kills, stops, seed, say }: FailoverOptions,
  cluster: ChaosCluster,
  load: Load,
  times: Readonly<Record<'kill' | 'stop', number[]>>,
): Promise<void> {
  const random = new SeededRandom(seed);
  const context: FaultContext = {
    cluster,
    random,
    say: () => {},
    startAfter: (term) => load.startAfter(term),
    noteFailover: (how, ms) => times[how].push(ms),
    count: () => {},
  };
  for (let done = 1; done <= kills + stops; done += 1) {
    await cluster.untilWhole();
    await pause(REST_MS.min + below(random, REST_MS.more));
    const { peer } = await cluster.untilLeader();
    await endLeader(context, done <= kills ? 'kill' : 'stop');
    await cluster.startPeer(peer);
    if (done % SAID_EVERY !== 0) continue;
    const how = done <= kills ? 'kill' : 'stop';
    say(`${done} of ${kills + stops}; so far by ${how}: ${describeDistribution(distributionOf(times[how]))}`);
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
