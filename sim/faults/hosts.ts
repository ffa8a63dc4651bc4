/**
 * The hosts of the peers and what can be done to the processes on them: ended, started, stopped in order, held. One place knows who
 * is down for what reason, so that two faults do not start a process twice, or one that is to stay away.
 *
 *     runs ──crash | stop──▶ down ──after a while──▶ runs
 *       └──removed from the cluster──▶ out ──directory emptied──▶ runs, waits to be added
 *     any ──for good──▶ gone
 */
import { below, type Random } from '../../src/base/random.ts';
import type { SimMember } from '../member.ts';
import { PLENTY_BYTES } from '../platter.ts';
import { Violation, type World } from '../world.ts';
import type { Atlas } from './atlas.ts';

/** A process that died comes back within this, in ms. */
const DOWN_MS_MAX = 6_000;

/** One that ended itself is started again after this, in µs. */
const AGAIN_US = 1_000_000;

/** See the head of this file. */
export class Hosts {
  readonly #world: World;
  readonly #atlas: Atlas;
  readonly #random: Random;
  readonly #stopping = new Set<SimMember>();
  readonly #out = new Set<SimMember>();
  readonly #gone = new Set<SimMember>();
  /** Somebody else looks at the disk: the member does not start meanwhile. */
  readonly #lent = new Set<SimMember>();
  /** How many writes from now on the process dies, or the write fails. */
  readonly #dies = new Map<SimMember, number>();
  readonly #fails = new Map<SimMember, number>();
  powerLosses = 0;
  crashesInWrite = 0;
  /** Deaths of a peer that was fetching a snapshot. */
  snapshotsInterrupted = 0;
  /** Peers that ended themselves for a good reason. */
  halts = 0;

  constructor(world: World, atlas: Atlas) {
    this.#world = world;
    this.#atlas = atlas;
    this.#random = world.random('hosts');
  }

  /** Where data is damaged. */
  get atlas(): Atlas {
    return this.#atlas;
  }

  /** True when a start of `member` is what an operator would do. */
  mayBoot(member: SimMember): boolean {
    return !member.up && !this.#out.has(member) && !this.#gone.has(member) && !this.#lent.has(member);
  }

  /** True while the member was removed and its directory is that of the removed one. */
  isOut(member: SimMember): boolean {
    return this.#out.has(member);
  }

  isStopping(member: SimMember): boolean {
    return this.#stopping.has(member);
  }

  /** Ends the process on the spot, with the host when `power`. */
  crash(member: SimMember, power: boolean): void {
    if (member.peer?.inspect()?.snapshots.progress !== undefined) this.snapshotsInterrupted += 1;
    const loss = member.crash(power);
    this.#stopping.delete(member);
    this.#dies.delete(member);
    this.#fails.delete(member);
    if (power) this.powerLosses += 1;
    if (loss.inFlight > 0) this.crashesInWrite += 1;
  }

  /** Starts it after a while. */
  bootLater(member: SimMember, random: Random): void {
    const quick = below(random, 2) === 0;
    this.bootAfter(member, (quick ? below(random, 300) : below(random, DOWN_MS_MAX)) * 1_000 + 1);
  }

  bootAfter(member: SimMember, afterUs: number): void {
    this.#world.schedule(this.#world.nowUs + afterUs, 'fault', undefined, () => this.boot(member));
  }

  /** Starts it, unless it runs or is to stay away. */
  boot(member: SimMember): void {
    if (this.mayBoot(member)) member.boot();
  }

  /** Stops it in order; `done` once it has ended. False when it is stopping already or does not run. */
  stop(member: SimMember, done: () => void): boolean {
    if (!member.up || member.raft === undefined || this.#stopping.has(member)) return false;
    this.#stopping.add(member);
    member.stop(() => {
      this.#stopping.delete(member);
      done();
    });
    return true;
  }

  /** The process dies at the `writes`th write from now on. */
  dieAtWrite(member: SimMember, writes: number): void {
    this.#dies.set(member, writes);
  }

  /** The `writes`th write from now on fails. */
  failAtWrite(member: SimMember, writes: number): void {
    this.#fails.set(member, writes);
  }

  /** Nothing dies or fails at a write any more. */
  calm(): void {
    this.#dies.clear();
    this.#fails.clear();
  }

  /** The disk is looked at by somebody else until `back`. */
  lend(member: SimMember): void {
    this.#lent.add(member);
  }

  back(member: SimMember): void {
    this.#lent.delete(member);
  }

  /** It stays away for good. */
  end(member: SimMember): void {
    this.#gone.add(member);
    if (member.up) this.crash(member, true);
  }

  /** The directory of a removed member is emptied: it can be added again. */
  renew(member: SimMember): void {
    if (!this.#out.delete(member)) return;
    member.wipe();
    this.boot(member);
  }

  /** Called when `member` hands something to its disk: it may die there. */
  writing(member: SimMember): void {
    if (!due(this.#dies, member)) return;
    const { process } = member;
    if (process?.alive !== true) return;
    // It says and writes nothing more in this very event; the rest of the world hears of it afterwards.
    process.kill();
    this.#world.schedule(this.#world.nowUs, 'fault', undefined, () => {
      if (member.process !== process) return;
      this.crash(member, below(this.#random, 3) === 0);
      this.bootLater(member, this.#random);
    });
  }

  /** What a write or sync of the member's disk fails with. */
  diskFailure(member: SimMember): Error | undefined {
    if (!due(this.#fails, member)) return undefined;
    this.#world.line(member.id, 'its disk fails');
    return new Error('EIO: the disk failed');
  }

  /** A member ended itself, or did not start. @throws Violation when it had no reason to */
  halted(member: SimMember, reason: string): void {
    const { process } = member;
    const removed = reason.includes('was removed from the cluster');
    const excused =
      removed || member.diskFailed || member.platter.freeBytes < PLENTY_BYTES || this.#atlas.isWounded(member);
    if (!excused) throw new Violation('no-halt', `${member.id} ${reason}`);
    this.halts += 1;
    this.#world.line(member.id, () => reason.split('\n')[0] ?? '');
    this.#world.schedule(this.#world.nowUs + 1_000, 'fault', undefined, () => {
      if (member.process !== process || !member.up) return;
      this.crash(member, false);
      if (removed) this.#out.add(member);
      else this.bootAfter(member, AGAIN_US);
    });
  }
}

/** Counts down what is to happen at a later write. True when it is this one. */
function due(countdowns: Map<SimMember, number>, member: SimMember): boolean {
  const left = countdowns.get(member);
  if (left === undefined) return false;
  if (left > 1) countdowns.set(member, left - 1);
  else countdowns.delete(member);
  return left <= 1;
}
