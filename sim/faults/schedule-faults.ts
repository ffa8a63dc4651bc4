/**
 * What befalls a cluster that keeps schedules: it is gone for minutes, its leader comes to harm around an occurrence, and a worker is
 * not heard any more while it runs what must run alone.
 */
import { below, type Random } from '../../src/base/random.ts';
import type { SimMember } from '../member.ts';
import { type FaultTargets, pick, type Strikes } from './family.ts';

/** Between two looks at whether an outage is over, in µs. */
const LOOK_US = 100_000;
/** Occurrences further ahead than this are not waited for, in ms. */
const AHEAD_MS_MAX = 5_000;
/** Around the instant of an occurrence the leader comes to harm within this, in ms. */
const AROUND_MS = 60;
/** The write at which a leader dies is one of so many. */
const WRITES_MAX = 4;

type Harm = (targets: FaultTargets, leader: SimMember, random: Random) => string;

const HARMS: readonly Harm[] = [
  ({ hosts }, leader, random) => {
    hosts.crash(leader, false);
    hosts.bootLater(leader, random);
    return 'is killed';
  },
  ({ hosts }, leader, random) => {
    hosts.crash(leader, true);
    hosts.bootLater(leader, random);
    return 'loses power';
  },
  ({ world, options }, leader, random) => {
    const { process } = leader;
    const pausedMs = 200 + below(random, options.faults.pauseMsMax + 2_000);
    process?.pause();
    world.schedule(world.nowUs + pausedMs * 1_000, 'fault', undefined, () => process?.resume());
    return `stands still for ${pausedMs} ms`;
  },
  ({ world, network, cluster, faultsGoOn }, leader, random) => {
    const forMs = 300 + below(random, 4_000);
    const cuts = cluster.members
      .filter((one) => one !== leader)
      .flatMap(({ id }) => [[leader.id, id] as const, [id, leader.id] as const]);
    for (const [from, to] of cuts) network.cut(from, to);
    world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
      if (faultsGoOn()) for (const [from, to] of cuts) network.heal(from, to);
    });
    return `is cut off for ${forMs} ms`;
  },
  ({ hosts }, leader, random) => {
    const writes = 1 + below(random, WRITES_MAX);
    hosts.dieAtWrite(leader, writes);
    return `is to die at its ${writes}. write`;
  },
  ({ options }, leader, random) => {
    const max = options.faults.clockJumpMsMax;
    leader.clock.skewMs = below(random, 2 * max + 1) - max;
    return `has a wall clock that jumps to ${leader.clock.skewMs} ms off`;
  },
];

/** See the head of this file. */
export const SCHEDULE_FAULTS: Strikes = {
  outages: (targets, random) => {
    const { cluster, hosts, world, options, faultsGoOn } = targets;
    if (!cluster.members.some((member) => member.process?.alive === true)) return undefined;
    const power = below(random, 100) < options.faults.powerPercent;
    const { outageMsMax } = options.schedules;
    const downMs = 1_000 + Math.floor(outageMsMax / 4) + below(random, outageMsMax);
    const endUs = world.nowUs + downMs * 1_000;
    for (const member of cluster.members) {
      if (member.process?.alive === true) hosts.crash(member, power);
      // Whatever else would start it has to wait.
      hosts.lend(member);
    }
    const look = (): void => {
      if (faultsGoOn() && world.nowUs < endUs) {
        world.schedule(world.nowUs + LOOK_US, 'plan', undefined, look);
        return;
      }
      for (const member of cluster.members) {
        hosts.back(member);
        hosts.boot(member);
      }
    };
    look();
    return `all peers are gone for ${downMs} ms`;
  },
  occasions: (targets, random) => {
    const { world, workload, faultsGoOn } = targets;
    const harm = pick(random, HARMS);
    if (harm === undefined) return undefined;
    // At the begin of an event of its own: what is going on comes to its end first.
    const soon = (deed: () => void): void => {
      world.schedule(world.nowUs, 'fault', undefined, () => {
        if (faultsGoOn()) deed();
      });
    };
    const strike = (): void => soon(() => harmLeader(targets, harm, random));
    const moment = pick(random, ['stored', 'settled', 'due', 'due', 'alone', 'alone', 'alone'] as const) ?? 'due';
    if (moment === 'alone') {
      workload.occasions.at(moment, (host) => soon(() => silenceWorker(targets, host, random)));
      return 'the next worker that runs what must run alone is not heard any more';
    }
    if (moment !== 'due') {
      workload.occasions.at(moment, strike);
      return `the leader comes to harm when the next occurrence is ${moment}`;
    }
    const aheadMs = nextOccurrenceMs(targets);
    if (aheadMs === undefined) return undefined;
    const atUs = world.nowUs + Math.max(0, Math.round(aheadMs) - AROUND_MS + below(random, 2 * AROUND_MS)) * 1_000;
    world.schedule(atUs, 'plan', undefined, strike);
    return `the leader comes to harm in about ${Math.round(aheadMs)} ms, when an occurrence is due`;
  },
};

function harmLeader({ cluster, ...others }: FaultTargets, harm: Harm, random: Random): void {
  const { leader } = cluster;
  if (leader?.process?.alive !== true || leader.process.paused || others.hosts.isStopping(leader)) return;
  const words = harm({ cluster, ...others }, leader, random);
  others.world.line('world', () => `around an occurrence ${leader.id} ${words}`);
}

/** Long enough to be given up, and back early, at the end of its lease or well after it. It is cut off, and works on, or stands still. */
function silenceWorker(
  { world, network, cluster, workload, options }: FaultTargets,
  host: string,
  random: Random,
): void {
  const { leaseMs } = options.leases;
  const forMs = Math.floor(leaseMs / 2) + below(random, 2 * leaseMs);
  if (below(random, 4) === 0) {
    workload.workers.find((worker) => worker.host === host)?.pause(forMs);
    return;
  }
  const cuts = cluster.members.flatMap(({ id }) => [[host, id] as const, [id, host] as const]);
  for (const [from, to] of cuts) network.cut(from, to);
  world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
    for (const [from, to] of cuts) network.heal(from, to);
  });
  world.line('world', () => `${host}, which runs what must run alone, is cut off for ${forMs} ms`);
}

/** How long until the leader's next occurrence is due; undefined when none is soon. */
function nextOccurrenceMs({ cluster }: FaultTargets): number | undefined {
  const { peer, scheduler } = cluster.leader ?? {};
  if (peer === undefined || scheduler === undefined) return undefined;
  let firstMs = Number.POSITIVE_INFINITY;
  for (const { next } of scheduler.schedules('default', '', 10)) {
    firstMs = Math.min(firstMs, next[0]?.fireAtMs ?? Number.POSITIVE_INFINITY);
  }
  const aheadMs = firstMs - peer.logTimeNowMs();
  return aheadMs > AHEAD_MS_MAX ? undefined : Math.max(0, aheadMs);
}
