/**
 * What befalls the cluster: each family of faults with its own rate, drawn every few milliseconds of virtual time, until
 * everything is healed for good.
 */
import { below, type Random } from '../src/base/random.ts';
import type { SimCluster } from './cluster.ts';
import type { SimMember } from './member.ts';
import type { SimNetwork } from './network.ts';
import type { FaultOptions, SimOptions } from './options.ts';
import { CALM_NETWORK } from './options.ts';
import type { Workload } from './workload.ts';
import type { World } from './world.ts';

/** Between two draws, in µs. */
const DRAW_US = 20_000;
const DRAWS_A_SECOND = 1_000_000 / DRAW_US;
/** A peer with a write on its way crashes this much likelier. */
const CRASH_IN_WRITE = 10;
/** A process that died comes back within this, in ms. */
const DOWN_MS_MAX = 6_000;

/** What happened, for the totals. */
export interface FaultCounts {
  crashes: number;
  powerLosses: number;
  /** Crashes that met a batch on its way to a disk. */
  crashesInWrite: number;
  diskFailures: number;
  gracefulStops: number;
  pauses: number;
  partitions: number;
  breaks: number;
  clogs: number;
  clockJumps: number;
  workerCrashes: number;
  workerPauses: number;
  workerStops: number;
  clientCrashes: number;
  clientPauses: number;
}

/** See the head of this file. */
export class Faults {
  readonly counts: FaultCounts = {
    crashes: 0,
    powerLosses: 0,
    crashesInWrite: 0,
    diskFailures: 0,
    gracefulStops: 0,
    pauses: 0,
    partitions: 0,
    breaks: 0,
    clogs: 0,
    clockJumps: 0,
    workerCrashes: 0,
    workerPauses: 0,
    workerStops: 0,
    clientCrashes: 0,
    clientPauses: 0,
  };
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly #network: SimNetwork;
  readonly #workload: Workload;
  readonly #options: FaultOptions;
  readonly #random: Random;
  #active = false;
  readonly #stopping = new Set<SimMember>();

  constructor(
    world: World,
    options: SimOptions,
    parts: { readonly cluster: SimCluster; readonly network: SimNetwork; readonly workload: Workload },
  ) {
    this.#world = world;
    this.#options = options.faults;
    this.#random = world.random('faults');
    this.#cluster = parts.cluster;
    this.#network = parts.network;
    this.#workload = parts.workload;
  }

  /** True while faults happen. */
  get active(): boolean {
    return this.#active;
  }

  begin(): void {
    this.#active = true;
    this.#later(DRAW_US, () => this.#draw());
  }

  /** No fault from now on: everybody is there, links are whole and quick, clocks agree. */
  heal(): void {
    this.#active = false;
    this.#world.line('world', 'everything is healed');
    this.#network.calm(CALM_NETWORK);
    for (const member of this.#cluster.members) {
      member.clock.skewMs = 0;
      member.process?.resume();
      if (!member.up && !this.#stopping.has(member)) member.boot();
    }
    this.#workload.heal();
  }

  /** Called when `member` hands something to its disk: it may die there. */
  writing(member: SimMember): void {
    const perThousand = this.#options.crashPerThousandWrites;
    if (!this.#active || perThousand === 0 || below(this.#random, 1_000) >= perThousand) return;
    const { process } = member;
    if (process?.alive !== true) return;
    // It says and writes nothing more in this very event; the rest of the world hears of it afterwards.
    process.kill();
    this.#world.schedule(this.#world.nowUs, 'fault', undefined, () => {
      if (member.process === process) this.#crash(member);
    });
  }

  /** True when this write or sync of the member's disk is to fail. */
  diskFails(member: SimMember): boolean {
    const perMillion = this.#options.failPerMillionWrites;
    if (!this.#active || perMillion === 0 || below(this.#random, 1_000_000) >= perMillion) return false;
    this.#world.line(member.id, 'its disk fails');
    this.counts.diskFailures += 1;
    return true;
  }

  /** A member ended itself because its disk failed: its process is started again. */
  halted(member: SimMember): void {
    const { process } = member;
    this.#world.schedule(this.#world.nowUs + 1_000, 'fault', undefined, () => {
      if (member.process !== process || !member.up) return;
      member.crash(false);
      this.#stopping.delete(member);
      this.#bootLater(member);
    });
  }

  #draw(): void {
    if (!this.#active) return;
    const { members } = this.#cluster;
    const options = this.#options;
    for (const member of members) {
      const inWrite = member.platter.inFlight.size > 0;
      // The mean over time stays near the rate, since writes are on their way for a part of it only.
      const weight = inWrite ? CRASH_IN_WRITE : 1;
      if (member.up && this.#happens((options.crashes / members.length) * weight)) this.#crash(member);
    }
    if (this.#happens(options.gracefulStops)) this.#stopInOrder();
    if (this.#happens(options.pauses)) this.#pause();
    if (this.#happens(options.partitions)) this.#partition();
    if (this.#happens(options.breaks)) this.#break();
    if (this.#happens(options.clogs)) this.#clog();
    if (this.#happens(options.clockJumps)) this.#jump();
    this.#drawPrograms(options);
    this.#later(DRAW_US, () => this.#draw());
  }

  #drawPrograms(options: FaultOptions): void {
    if (this.#happens(options.workerCrashes)) this.counts.workerCrashes += this.#workload.crashWorker(this.#random);
    if (this.#happens(options.workerPauses)) {
      const pausedMs = 1 + below(this.#random, options.workerPauseMsMax);
      this.counts.workerPauses += this.#workload.pauseWorker(this.#random, pausedMs);
    }
    if (this.#happens(options.workerStops)) this.counts.workerStops += this.#workload.retireWorker(this.#random);
    if (this.#happens(options.clientCrashes)) this.counts.clientCrashes += this.#workload.crashClient(this.#random);
    if (this.#happens(options.clientPauses)) {
      const pausedMs = 1 + below(this.#random, options.workerPauseMsMax);
      this.counts.clientPauses += this.#workload.pauseClient(this.#random, pausedMs);
    }
  }

  #crash(member: SimMember): void {
    const power = below(this.#random, 100) < this.#options.powerPercent;
    const loss = member.crash(power);
    this.#stopping.delete(member);
    this.counts.crashes += 1;
    if (power) this.counts.powerLosses += 1;
    if (loss.inFlight > 0) this.counts.crashesInWrite += 1;
    this.#bootLater(member);
  }

  #bootLater(member: SimMember): void {
    const quick = below(this.#random, 2) === 0;
    const downMs = quick ? below(this.#random, 300) : below(this.#random, DOWN_MS_MAX);
    this.#fault(downMs * 1_000 + 1, () => {
      if (!member.up) member.boot();
    });
  }

  #stopInOrder(): void {
    const member = this.#pick(this.#cluster.members.filter((one) => one.up && one.raft !== undefined));
    if (member === undefined || this.#stopping.has(member)) return;
    this.counts.gracefulStops += 1;
    this.#stopping.add(member);
    member.stop(() => {
      this.#stopping.delete(member);
      this.#bootLater(member);
    });
  }

  #pause(): void {
    const member = this.#pick(this.#cluster.members.filter((one) => one.process?.paused === false));
    const process = member?.process;
    if (member === undefined || process === undefined) return;
    this.counts.pauses += 1;
    const pausedMs = 1 + below(this.#random, this.#options.pauseMsMax);
    this.#world.line(member.id, `stands still for ${pausedMs} ms`);
    process.pause();
    this.#fault(pausedMs * 1_000, () => process.resume());
  }

  /** Cuts links for a while: one host off, two halves, or a single direction; now and then for good measure around the leader. */
  #partition(): void {
    const hosts = this.#cluster.members.map(({ id }) => id as string);
    const clients = this.#workload.hosts;
    const mode = below(this.#random, 4);
    const leader = this.#cluster.leader?.id;
    const target = mode === 0 && leader !== undefined ? leader : (this.#pick(hosts) ?? '');
    const cuts: [from: string, to: string][] = [];
    if (mode <= 1) {
      const others = below(this.#random, 2) === 0 ? hosts : [...hosts, ...clients];
      const direction = below(this.#random, 3);
      for (const other of others) {
        if (other === target) continue;
        if (direction !== 1) cuts.push([target, other]);
        if (direction !== 2) cuts.push([other, target]);
      }
    } else if (mode === 2) {
      const left = new Set([...hosts, ...clients].filter(() => below(this.#random, 2) === 0));
      for (const from of [...hosts, ...clients]) {
        for (const to of hosts) if (left.has(from) !== left.has(to)) cuts.push([from, to], [to, from]);
      }
    } else {
      const other = this.#pick(hosts.filter((host) => host !== target));
      if (other !== undefined) cuts.push([target, other]);
    }
    if (cuts.length === 0) return;
    this.counts.partitions += 1;
    const forMs = 50 + below(this.#random, this.#options.partitionMsMax);
    this.#world.line('world', () => `cuts ${cuts.map((cut) => cut.join('>')).join(' ')} for ${forMs} ms`);
    for (const [from, to] of cuts) this.#network.cut(from, to);
    this.#fault(forMs * 1_000, () => {
      for (const [from, to] of cuts) this.#network.heal(from, to);
    });
  }

  #break(): void {
    const socket = this.#pick(this.#network.standing);
    if (socket === undefined) return;
    this.counts.breaks += 1;
    this.#world.line('world', () => `breaks the connection of ${socket.process.host} to ${socket.remote}`);
    this.#network.breakConnection(socket);
  }

  #clog(): void {
    const hosts = [...this.#cluster.members.map(({ id }) => id as string), ...this.#workload.hosts];
    const from = this.#pick(hosts);
    const to = this.#pick(hosts);
    if (from === undefined || to === undefined || from === to) return;
    this.counts.clogs += 1;
    this.#network.clog(from, to, below(this.#random, 4_000_000), below(this.#random, 600_000));
  }

  #jump(): void {
    const member = this.#pick(this.#cluster.members);
    if (member === undefined) return;
    this.counts.clockJumps += 1;
    const max = this.#options.clockJumpMsMax;
    member.clock.skewMs = below(this.#random, 2 * max + 1) - max;
    this.#world.line(member.id, `its wall clock jumps to ${member.clock.skewMs} ms off`);
  }

  /** True with the likelihood that makes `perSecond` events a second. */
  #happens(perSecond: number): boolean {
    const threshold = Math.min(1, perSecond / DRAWS_A_SECOND) * 0x1_0000_0000;
    return perSecond > 0 && this.#random.uint32() < threshold;
  }

  #pick<T>(choices: readonly T[]): T | undefined {
    return choices.length === 0 ? undefined : choices[below(this.#random, choices.length)];
  }

  /** The end of a fault: it happens also when everything was healed meanwhile, and then changes nothing. */
  #fault(afterUs: number, action: () => void): void {
    this.#world.schedule(this.#world.nowUs + afterUs, 'fault', undefined, action);
  }

  #later(afterUs: number, action: () => void): void {
    this.#world.schedule(this.#world.nowUs + afterUs, 'plan', undefined, action);
  }
}
