/**
 * The hosts of the peers and what can be done to the processes on them: ended, started, stopped in order, held. One place knows who
 * is down for what reason, so that two faults do not start a process twice, or one that is to stay away.
 *
 *     runs ──crash | stop──▶ down ──after a while──▶ runs
 *       └──removed from the cluster──▶ out ──directory emptied──▶ runs, waits to be added
 *     any ──for good──▶ gone
 */
import type { PeerId } from '../../src/base/ids.ts';
import { below, type Random } from '../../src/base/random.ts';
import type { SimMember } from '../member.ts';
import { PLENTY_BYTES } from '../platter.ts';
import { Violation, type World } from '../world.ts';
import type { Atlas } from './atlas.ts';

/** A process that died comes back within this, in ms. */
const DOWN_MS_MAX = 6_000;

/** One that ended itself is started again after this, in µs. */
const AGAIN_US = 1_000_000;

/** A peer that runs on an old copy of its directory, until somebody notices. */
interface Copy {
  /** The others have told it, and it has ended itself. */
  readonly recognised: () => void;
  /** It is taken away before that. */
  readonly withdrawn: () => void;
}

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
  readonly #copies = new Map<SimMember, Copy>();
  /** Whose next vote for another is waited for: the term that it was in, and what is to come of it. */
  readonly #votes = new Map<SimMember, { readonly term: number; readonly voted: (candidate: PeerId) => void }>();
  /** What befalls whoever is told next to take over. */
  #told: ((successor: PeerId) => void) | undefined;
  /** How many writes from now on the process dies, or the write fails. */
  readonly #dies = new Map<SimMember, number>();
  readonly #fails = new Map<SimMember, number>();
  /** Who is to end itself, with which words, and whether it is to be started again. */
  readonly #expected = new Map<SimMember, { readonly words: string; readonly comesBack: boolean }>();
  powerLosses = 0;
  crashesInWrite = 0;
  /** Deaths of a peer that was fetching a snapshot. */
  snapshotsInterrupted = 0;
  /** Peers that ended themselves for a good reason. */
  halts = 0;
  /** Of them, those that were told that their directory is an old copy, and those that do not know any more how they voted. */
  copiesRecognised = 0;
  headsLost = 0;

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
    this.#withdraw(member);
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
    if (!this.mayBoot(member)) return;
    // Whoever starts anew has forgotten how often the others were started, and might let an old copy in.
    for (const copy of this.#copies.keys()) if (copy !== member) this.crash(copy, false);
    member.boot();
  }

  /**
   * Starts `member`, which is down, on an old copy of its directory, of which all others can know that it is one. Should one of
   * them forget that, by a start of its own, before this one was told, it is taken away.
   */
  bootCopy(member: SimMember, copy: Copy): void {
    this.#copies.set(member, copy);
    this.boot(member);
  }

  /** True while a peer runs on an old copy and was not told so. */
  get runsCopy(): boolean {
    return this.#copies.size > 0;
  }

  #withdraw(member: SimMember): void {
    const copy = this.#copies.get(member);
    if (copy === undefined) return;
    this.#copies.delete(member);
    copy.withdrawn();
  }

  /** Its directory is emptied, and it starts: an operator is to replace it. */
  replace(member: SimMember): void {
    if (member.up || this.#gone.has(member)) return;
    member.wipe();
    this.boot(member);
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

  /** `voted` is called when the member has its next vote for another one on its disk, shortly before anybody hears of it. */
  watchVote(member: SimMember, voted: (candidate: PeerId) => void): void {
    this.#votes.set(member, { term: member.durable.term, voted });
  }

  /** `told` is called when a leader tells the next one to take over, before that one hears of it. */
  watchHandOver(told: (successor: PeerId) => void): void {
    this.#told = told;
  }

  /** Called when a leader tells `successor` to take over. */
  handsOver(successor: PeerId): void {
    const told = this.#told;
    this.#told = undefined;
    told?.(successor);
  }

  /** The `writes`th write from now on fails. */
  failAtWrite(member: SimMember, writes: number): void {
    this.#fails.set(member, writes);
  }

  /** Nothing dies or fails at a write any more. */
  calm(): void {
    this.#dies.clear();
    this.#fails.clear();
    this.#votes.clear();
    this.#told = undefined;
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

  /** It is stopped, its directory is emptied, and it starts: it can be added. */
  empty(member: SimMember): void {
    if (!this.mayBoot(member) && !member.up) return;
    if (member.up) this.crash(member, false);
    this.#atlas.forget(member);
    this.replace(member);
  }

  /** The directory of a removed member is emptied: it can be added again. */
  renew(member: SimMember): void {
    if (!this.#out.delete(member)) return;
    member.wipe();
    this.boot(member);
  }

  /** `member` is to end itself with a sentence that has these words in it, and to stay away unless it `comesBack`. */
  expectHalt(member: SimMember, words: string, comesBack: boolean): void {
    this.#expected.set(member, { words, comesBack });
  }

  /** True until it has done so. */
  expectsHalt(member: SimMember): boolean {
    return this.#expected.has(member);
  }

  /** Called when `member` hands something to its disk: it may die there. */
  writing(member: SimMember): void {
    if (this.#votes.size > 0) this.#lookForVote(member);
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

  #lookForVote(member: SimMember): void {
    const watch = this.#votes.get(member);
    const { term, votedFor } = member.durable;
    if (watch === undefined || term <= watch.term || votedFor === undefined || votedFor === member.id) return;
    this.#votes.delete(member);
    watch.voted(votedFor);
  }

  /** What a write or sync of the member's disk fails with. */
  diskFailure(member: SimMember): Error | undefined {
    if (!due(this.#fails, member)) return undefined;
    this.#world.line(member.id, 'its disk fails');
    // It opens its directory anew, and forgets what it heard of the others.
    for (const copy of this.#copies.keys()) {
      this.#world.schedule(this.#world.nowUs, 'fault', undefined, () => {
        if (this.#copies.has(copy) && copy.up) this.crash(copy, false);
      });
    }
    return new Error('EIO: the disk failed');
  }

  /** A member ended itself, or did not start. @throws Violation when it had no reason to */
  halted(member: SimMember, reason: string): void {
    const { process } = member;
    const removed = reason.includes('was removed from the cluster');
    const copy = reason.includes('is an old copy of itself') ? this.#copies.get(member) : undefined;
    const headLost = reason.includes('it is not known how this peer voted') && this.#atlas.lostHead(member);
    const expected = this.#expected.get(member);
    const isExpected = expected !== undefined && reason.includes(expected.words);
    if (isExpected) {
      this.#expected.delete(member);
      if (!expected.comesBack) this.#gone.add(member);
    }
    const excused =
      isExpected ||
      removed ||
      copy !== undefined ||
      member.diskFailed ||
      member.platter.freeBytes < PLENTY_BYTES ||
      this.#atlas.isWounded(member);
    if (!excused) throw new Violation('no-halt', `${member.id} ${reason}`);
    this.halts += 1;
    this.#world.line(member.id, () => reason.split('\n')[0] ?? '');
    this.#world.schedule(this.#world.nowUs + 1_000, 'fault', undefined, () => {
      if (member.process !== process || !member.up) return;
      if (copy !== undefined) this.#copies.delete(member);
      this.crash(member, false);
      if (removed) this.#out.add(member);
      else if (copy !== undefined) {
        this.copiesRecognised += 1;
        copy.recognised();
      } else if (headLost) {
        this.headsLost += 1;
        this.#atlas.headReplaced(member);
      } else this.bootAfter(member, AGAIN_US);
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
