/**
 * Everything that differs between two runs, drawn from the seed: how many there are, how quick disks and links are, which
 * faults happen and how often, and how tight the bounds of the product are. Each family of faults is on or off by lot, so that
 * a fault that would hide another one is absent in half of the runs; some runs have a single one; some have bounds so tight
 * that what is rare with the defaults happens all the time.
 */
import { below, deriveSeed, type Random, SeededRandom } from '../src/base/random.ts';
import { PEER_LIMITS, type PeerLimits } from '../src/config/limits.ts';
import type { SchedulerLimits } from '../src/scheduler/limits.ts';
import type { LeaseOptions } from '../src/server/leases.ts';
import type { DiskOptions } from './disk.ts';
import type { NetworkOptions } from './network.ts';
import { drawScheduleOptions, type ScheduleOptions } from './schedules/schedule-options.ts';
import type { DatagramOptions } from './watched-transport.ts';

/** The families of faults, in the order in which they are drawn. A new one goes to the end, so that those before come as they did. */
export const FAULTS = [
  'crashes',
  'crashesAtWrites',
  'stops',
  'pauses',
  'stalls',
  'partitions',
  'hops',
  'swizzles',
  'breaks',
  'clogs',
  'garbles',
  'storms',
  'clockJumps',
  'writeErrors',
  'slowDisks',
  'fullDisks',
  'rot',
  'lostBatches',
  'lostTails',
  'wipes',
  'changes',
  'transfers',
  'rollingRestarts',
  'doubleStarts',
  'foreignDisks',
  'workerCrashes',
  'workerPauses',
  'workerStops',
  'clientCrashes',
  'clientPauses',
  'oldCopies',
  'headRot',
  'staleRecords',
  'lonelyLeaders',
  'hubs',
  'outages',
  'occasions',
] as const;

/** A family of faults. */
export type FaultName = (typeof FAULTS)[number];

/** How things go wrong. */
export interface FaultOptions {
  /** Events a second over the whole cluster; 0 for never. */
  readonly rates: Readonly<Record<FaultName, number>>;
  /** Of a hundred crashes, those that take the host's power with them. */
  readonly powerPercent: number;
  readonly pauseMsMax: number;
  readonly partitionMsMax: number;
  readonly clockJumpMsMax: number;
  /** What befalls single frames between peers during a storm, and how long one lasts at most. */
  readonly datagrams: DatagramOptions;
  readonly stormMsMax: number;
  readonly workerPauseMsMax: number;
}

/** What is left of the cluster once faults end. */
export type LastPhase =
  /** Everybody comes back. */
  | 'all'
  /** A majority is whole; the others stay dead, or cut off in one direction, for good. */
  | 'core'
  /** Everybody is there, and one link between two followers never carries anything again. */
  | 'broken-link';

/** What clients and workers do. */
export interface WorkloadOptions {
  readonly clients: number;
  /** Workers of the SDK. */
  readonly workers: number;
  /** Workers that break the rules of the contract, see `rogue-worker.ts`. */
  readonly rogues: number;
  /** Clients that look at tasks on any peer, see `reader.ts`. */
  readonly readers: number;
  readonly slotsMax: number;
  /** Mean pause of a client between two calls, in ms. */
  readonly thinkMs: number;
  readonly batchMax: number;
  readonly payloadBytesMax: number;
  /** Of a hundred tasks, those whose handler does not simply finish. */
  readonly troublePercent: number;
  readonly workMsMax: number;
}

/** One run. */
export interface SimOptions {
  readonly seed: number;
  /** Founders of the cluster. */
  readonly peers: number;
  /** Peers that wait to be added. */
  readonly spares: number;
  /** The step in which peers count time, in ms. */
  readonly tickMs: number;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  /** Clocks of the hosts: rates in parts per thousand off, skew in ms at most. */
  readonly clockRatePerThousand: number;
  readonly clockSkewMsMax: number;
  /** What a look at the clock costs, in µs. */
  readonly lookUs: number;
  readonly faults: FaultOptions;
  readonly workload: WorkloadOptions;
  readonly schedules: ScheduleOptions;
  readonly leases: LeaseOptions;
  readonly sessionIdleMs: number;
  readonly peerLimits: Partial<PeerLimits>;
  readonly schedulerLimits: Partial<SchedulerLimits>;
  /** Room that each disk holds back. */
  readonly ballastBytes: number;
  /** Memory of the entries that a peer has at hand when it starts. */
  readonly recoveredBytesMax: number;
  readonly lastPhase: LastPhase;
}

/** Networks and disks as they are once everything is healed. */
export const CALM_NETWORK: NetworkOptions = { delayUsMin: 200, delayUsMean: 300, bytesPerSecond: 100_000_000 };

/** Disks once everything is healed. */
export const CALM_DISK: DiskOptions = {
  writeUsMin: 100,
  writeUsMean: 200,
  readUsMean: 50,
  stallUs: 0,
  stallPerThousand: 0,
};

const KIB = 1024;
const MIB = 1024 * KIB;

/** The options of `seed`. Pure. */
export function drawOptions(seed: number): SimOptions {
  const draw = new Draw(new SeededRandom(deriveSeed(seed, 'options')));
  const tight = draw.chance(35);
  const leaseMs = draw.between(1_800, 6_000);
  const later = new Draw(new SeededRandom(deriveSeed(seed, 'later options')));
  const workload = drawWorkload(draw, later);
  const schedules = drawScheduleOptions(seed);
  const peers = draw.pick([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 2, 1]);
  return {
    seed,
    peers,
    spares: peers === 1 ? 0 : draw.pick([0, 0, 1, 2]),
    tickMs: draw.pick([10, 25, 25, 50]),
    network: {
      delayUsMin: draw.between(50, 2_000),
      delayUsMean: draw.logarithmic(100, 20_000),
      bytesPerSecond: draw.logarithmic(500_000, 200_000_000),
    },
    disk: {
      writeUsMin: draw.between(50, 1_000),
      writeUsMean: draw.logarithmic(100, 15_000),
      readUsMean: draw.logarithmic(20, 2_000),
      stallUs: draw.pick([0, 50_000, 400_000, 1_500_000]),
      stallPerThousand: draw.pick([0, 1, 3]),
    },
    clockRatePerThousand: draw.pick([0, 0, 1, 20, 50, 300]),
    clockSkewMsMax: draw.pick([0, 20, 400, 3_000, 3_600_000]),
    lookUs: draw.pick([0, 0, 20, 400]),
    faults: drawFaults(draw, later, leaseMs, schedules),
    workload,
    schedules,
    leases: { leaseMs, heartbeatMs: Math.floor(leaseMs / 5), lostAfterAwayMs: Math.floor(leaseMs / 3) },
    sessionIdleMs: draw.pick([4_000, 20_000, 3_600_000]),
    peerLimits: { ...drawPeerLimits(draw, tight, workload), persistEntriesMax: drawPersistEntries(seed) },
    schedulerLimits: { ...drawSchedulerLimits(draw, tight, leaseMs), ...schedules.limits, ...drawFarLimits(seed) },
    ballastBytes: draw.pick([0, 64 * KIB, MIB]),
    recoveredBytesMax: new Draw(new SeededRandom(deriveSeed(seed, 'recovered'))).pick([0, 1_000, 20_000, 4 * MIB]),
    lastPhase: draw.pick(['all', 'all', 'core', 'core', 'broken-link']),
  };
}

/** Here and below `later` is for what came later, so that the other options of a seed stay as they were. */
function drawFaults(draw: Draw, later: Draw, leaseMs: number, schedules: ScheduleOptions): FaultOptions {
  // Now and then a single family, so that nothing hides what it does.
  const alone = draw.chance(10) ? draw.pick(FAULTS) : undefined;
  const rates = Object.fromEntries(FAULTS.map((family) => [family, 0])) as Record<FaultName, number>;
  const rate = (family: FaultName, low: number, high: number, percent = 50, by = draw): void => {
    const chosen = by.chance(percent);
    const drawn = by.logarithmic(low * 1_000, high * 1_000) / 1_000;
    rates[family] = (alone === undefined ? chosen : alone === family) ? drawn : 0;
  };
  // Most processes are met without a write on their way, and spared then.
  rate('crashes', 0.1, 3);
  rate('crashesAtWrites', 0.05, 0.6);
  rate('stops', 0.02, 0.1);
  rate('pauses', 0.05, 0.6);
  rate('stalls', 0.1, 3);
  rate('partitions', 0.05, 0.5);
  rate('hops', 0.02, 0.2, 30);
  rate('swizzles', 0.02, 0.2, 30);
  rate('breaks', 0.1, 4);
  rate('clogs', 0.05, 1);
  rate('garbles', 0.02, 0.5);
  rate('storms', 0.05, 1);
  rate('clockJumps', 0.02, 0.2);
  rate('writeErrors', 0.01, 0.2, 25);
  rate('slowDisks', 0.02, 0.3, 40);
  rate('fullDisks', 0.01, 0.1, 25);
  rate('rot', 0.02, 0.3, 30);
  rate('lostBatches', 0.02, 0.2, 30);
  rate('lostTails', 0.03, 0.3, 35);
  rate('wipes', 0.01, 0.1, 25);
  rate('changes', 0.1, 0.8, 45);
  rate('transfers', 0.02, 0.5, 40);
  rate('rollingRestarts', 0.01, 0.05, 20);
  rate('doubleStarts', 0.02, 0.2, 15);
  rate('foreignDisks', 0.05, 0.5, 15);
  rates.workerCrashes = draw.logarithmic(20, 250) / 1_000;
  rates.workerPauses = draw.logarithmic(20, 200) / 1_000;
  rates.workerStops = draw.pick([0, 0.02, 0.06]);
  rates.clientCrashes = draw.pick([0, 0.02, 0.08]);
  rates.clientPauses = draw.pick([0, 0, 0.1]);
  rate('oldCopies', 0.02, 0.1, 25, later);
  rate('headRot', 0.02, 0.2, 20, later);
  rate('staleRecords', 0.02, 0.3, 25, later);
  rate('lonelyLeaders', 0.05, 0.4, 45, later);
  rate('hubs', 0.03, 0.2, 35, later);
  rates.outages = schedules.outagesRate;
  rates.occasions = schedules.occasionsRate;
  return {
    rates,
    powerPercent: draw.pick([0, 30, 100]),
    pauseMsMax: draw.logarithmic(50, 6_000),
    partitionMsMax: draw.logarithmic(300, 8_000),
    clockJumpMsMax: draw.pick([800, 60_000, 3_600_000]),
    datagrams: drawDatagrams(draw),
    stormMsMax: draw.logarithmic(200, 20_000),
    workerPauseMsMax: leaseMs * 2,
  };
}

function drawDatagrams(draw: Draw): DatagramOptions {
  return {
    dropPerThousand: draw.pick([0, 5, 50, 150]),
    repeatPerThousand: draw.pick([0, 10, 100]),
    latePerThousand: draw.pick([0, 20, 200]),
    lateUsMax: draw.logarithmic(1_000, 1_500_000),
  };
}

function drawWorkload(draw: Draw, later: Draw): WorkloadOptions {
  return {
    clients: draw.between(2, 4),
    workers: draw.between(2, 4),
    rogues: draw.between(0, 1),
    readers: later.between(0, 2),
    slotsMax: draw.pick([1, 3, 10, 40]),
    thinkMs: draw.logarithmic(200, 600),
    batchMax: draw.pick([3, 10, 40]),
    payloadBytesMax: draw.pick([16, 300, 3_000, 20_000]),
    troublePercent: draw.between(10, 60),
    workMsMax: draw.logarithmic(5, 600),
  };
}

function drawPeerLimits(draw: Draw, tight: boolean, workload: WorkloadOptions): Partial<PeerLimits> {
  // The largest submission, and what workers report and hold, with room to spare.
  const largest = workload.batchMax * (workload.payloadBytesMax + 400);
  const commandBytesMax = tight ? Math.max(64 * KIB, largest) : MIB;
  const uncommittedBytesMax = tight ? draw.logarithmic(2 * KIB, 256 * KIB) : PEER_LIMITS.uncommittedBytesMax;
  const appendBytesMax = tight ? draw.logarithmic(1, 64 * KIB) : MIB;
  return {
    appendBytesMax,
    inflightAppendsMax: tight ? draw.logarithmic(1, 16) : 256,
    inflightBytesMax: tight ? Math.max(appendBytesMax, draw.logarithmic(1, 64 * KIB)) : 32 * MIB,
    uncommittedBytesMax,
    entriesInMemoryBytesMax: tight ? uncommittedBytesMax + draw.logarithmic(1, 64 * KIB) : 64 * MIB,
    applyBytesMax: tight ? draw.logarithmic(1, 64 * KIB) : 8 * MIB,
    batchBytesMax: tight ? draw.logarithmic(200, 64 * KIB) : MIB,
    batchMovesMax: tight ? draw.logarithmic(2, 200) : 2_000,
    commandBytesMax,
    queueSubmissionBytesMax: commandBytesMax,
    queueDispatchBytesMax: commandBytesMax + (tight ? KIB : MIB),
    queueBytesMax: 2 * commandBytesMax + MIB,
    checkpointIntervalMs: draw.logarithmic(100, 3_000),
    checkpointLogBytes: draw.logarithmic(1 * KIB, 4 * MIB),
    logTailBytes: draw.pick([0, 4 * KIB, 64 * KIB, 1024 * MIB]),
    logTailMs: draw.pick([0, 2_000, 20_000, 600_000]),
    blockCacheCount: draw.pick([1, 4, 64]),
    snapshotPageBytes: draw.logarithmic(1, 256 * KIB),
    snapshotBytesPerSecond: draw.logarithmic(64 * KIB, 64 * MIB),
    logHoldBytes: draw.pick([0, 64 * KIB, 64 * MIB]),
    spaceLowBytes: draw.logarithmic(64 * KIB, 4 * MIB),
    spacePollMs: draw.pick([100, 1_000]),
  };
}

/** Few entries in one write, so that often only a part of what arrived is on the disk. */
function drawPersistEntries(seed: number): number {
  return new Draw(new SeededRandom(deriveSeed(seed, 'persist options'))).pick([1, 2, 7, 1_024, 1_024]);
}

function drawSchedulerLimits(draw: Draw, tight: boolean, leaseMs: number): Partial<SchedulerLimits> {
  return {
    leaseMs,
    movesMax: tight ? draw.logarithmic(2, 100) : 2_000,
    answersMax: draw.pick([2, 16, 1_024]),
    offloadBytes: draw.pick([16, 256, 1_024]),
    cancelGraceMs: draw.between(500, 4_000),
    keyKeepMs: draw.pick([1_000, 10_000, 86_400_000]),
    historyEventsMax: draw.pick([4, 20, 100]),
    historyFirst: draw.between(1, 3),
    forgetWorkerMs: draw.pick([3_000, 3_600_000]),
    finishedTasksMax: draw.pick([50, 1_000_000]),
    sessionsMax: draw.pick([8, 10_000]),
  };
}

/** Delays are of seconds here, so what is far begins with milliseconds, and blocks are full soon. */
function drawFarLimits(seed: number): Partial<SchedulerLimits> {
  const draw = new Draw(new SeededRandom(deriveSeed(seed, 'far options')));
  return { farSpanMs: draw.pick([20, 100, 400, 3_600_000]), farBlockTasksMax: draw.pick([1, 1, 1, 2, 512]) };
}

/** Draws, one after the other. */
class Draw {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  chance(percent: number): boolean {
    return below(this.#random, 100) < percent;
  }

  /** A whole number from `low` to `high`, both inclusive. */
  between(low: number, high: number): number {
    return low + below(this.#random, high - low + 1);
  }

  /** A whole number from `low` to `high`; every doubling is as likely as every other. */
  logarithmic(low: number, high: number): number {
    const doublings = Math.log2(high / low);
    const at = (this.#random.uint32() / 0x1_0000_0000) * doublings;
    return Math.min(high, Math.max(low, Math.round(low * 2 ** at)));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[below(this.#random, choices.length)] as T;
  }
}
