/**
 * The operator of the simulated cluster: a program on a host of its own that changes who belongs to the cluster, through the same
 * calls as the command line. It knows what is so, does one errand after the other, and asks again until it is done.
 *
 *     grow:    not a member ──add──▶ learner ──promote──▶ votes         (another directory under its name: ──remove──▶ first)
 *     shrink:  member ──remove──▶ none ──it ends itself, its directory is emptied──▶ waits to be added again
 */
import { below, type Random } from '../src/base/random.ts';
import { Client } from '../src/client/client.ts';
import { TaskraftError } from '../src/client/errors.ts';
import { Operator } from '../src/client/operator.ts';
import type { MemberChange } from '../src/protocol/rows.ts';
import type { SimCluster } from './cluster.ts';
import type { Hosts } from './faults/hosts.ts';
import type { SimMember } from './member.ts';
import type { HostClock, SimProcess } from './process.ts';
import { Program } from './program.ts';
import { sleep } from './tasks.ts';
import type { WorkloadContext } from './workload.ts';
import { Violation } from './world.ts';

/** What is to be done. */
export type Errand =
  | {
      readonly type: 'grow' | 'shrink';
      readonly peer: string;
      /** What befalls the cluster when a change for it is asked for. */
      readonly asked?: (() => void) | undefined;
    }
  | { readonly type: 'transfer'; readonly peer: string | undefined };

/** Errands that wait. */
const ERRANDS_MAX = 6;

/** Asks for one thing that nothing depends on; afterwards it is given up. */
const TRIES_MAX = 25;

/** Codes that a correct cluster never gives to an operator that asks for what can be done. */
const NEVER: ReadonlySet<string> = new Set(['INTERNAL', 'INVALID_ARGUMENT', 'MALFORMED_FRAME', 'UNKNOWN_FRAME']);

/** What operators did, for the totals. */
export interface OperatorCounts {
  learnersPromoted: number;
  membersRemoved: number;
  transfers: number;
  transfersFailed: number;
}

/** See the head of this file. */
export class SimOperator extends Program {
  readonly counts: OperatorCounts = { learnersPromoted: 0, membersRemoved: 0, transfers: 0, transfersFailed: 0 };
  readonly #cluster: SimCluster;
  readonly #hosts: Hosts;
  readonly #errands: Errand[] = [];
  /** Looks at a peer that is to be added and does not wait for that. */
  #untold = 0;
  /** The errand that had what befalls it. */
  #troubled: Errand | undefined;

  constructor(host: string, clock: HostClock, context: WorkloadContext, cluster: SimCluster, hosts: Hosts) {
    super(host, clock, context);
    this.#cluster = cluster;
    this.#hosts = hosts;
  }

  /** Takes an errand, to be done after those before. False when there are too many, or one about the same peer. */
  ask(errand: Errand): boolean {
    if (this.#errands.length >= ERRANDS_MAX) return false;
    if (errand.peer !== undefined && this.busyWith(errand.peer)) return false;
    this.#errands.push(errand);
    return true;
  }

  /** True when an errand about the peer is under way. */
  busyWith(peer: string): boolean {
    return this.#errands.some((errand) => errand.peer === peer);
  }

  /** True when nothing is to be done any more. */
  get idle(): boolean {
    return this.#errands.length === 0;
  }

  protected override main(process: SimProcess): void {
    this.#live(process).catch((error: unknown) => {
      if (error instanceof Violation) this.context.world.fail(error);
      else this.context.world.fail(new Violation('operator', `the operator broke: ${String(error)}`, error));
    });
  }

  protected override died(_process: SimProcess): void {}

  async #live(process: SimProcess): Promise<void> {
    const { network, urls } = this.context;
    const { clock, timers, random, logger } = process;
    let operator: Operator | undefined;
    let tries = 0;
    for (;;) {
      await sleep(process, 100 + below(random, 300));
      this.#renew();
      const errand = this.#errands[0];
      this.#hosts.atlas.isHeld = errand?.type === 'shrink';
      if (errand === undefined) continue;
      tries += 1;
      try {
        const ports = { dialer: network.dialer(process), clock, timers, random };
        operator ??= new Operator(await Client.connect({ urls, logger, timeoutMs: 4_000 }, ports));
        const done =
          errand.type === 'transfer'
            ? await this.#transfer(operator, errand.peer)
            : await this.#step(operator, errand, random);
        if (!done && !(errand.type === 'shrink' && tries > TRIES_MAX)) continue;
      } catch (error) {
        const code = error instanceof TaskraftError ? error.code : undefined;
        if (code === undefined || NEVER.has(code)) throw error;
        this.context.world.line(this.host, () => `${errand.type} ${errand.peer ?? ''}: ${code}`);
        // What was lost must be replaced; the rest need not be.
        const gives = errand.type !== 'grow' && (tries > TRIES_MAX || this.context.calm());
        if (!gives) continue;
      }
      tries = 0;
      this.#errands.shift();
    }
  }

  /** Empties the directories of those that were removed and have ended. */
  #renew(): void {
    for (const member of this.#cluster.members) {
      const mayEmpty = this.#cluster.mayEmpty(member);
      if (this.#hosts.isOut(member) && !member.up && mayEmpty) this.#hosts.renew(member);
    }
  }

  /** One step of making somebody a voter, or no member. True when there is none left. */
  async #step(
    operator: Operator,
    errand: Exclude<Errand, { readonly type: 'transfer' }>,
    random: Random,
  ): Promise<boolean> {
    const member = this.#cluster.members.find(({ id }) => id === errand.peer);
    if (member === undefined) return true;
    const standing = this.#cluster.standingOf(member.id);
    if (errand.type === 'shrink') {
      if (standing === 'none') return true;
      if (this.#cluster.voters.length <= 1 || !this.#cluster.mayRemove(member)) return true;
      // Nobody makes a cluster smaller of which a disk is broken.
      if (this.#hosts.atlas.wounded > 0 || this.#cluster.members.some(({ stranger }) => stranger)) return true;
      await this.#change(operator, 'remove', errand, random);
      this.counts.membersRemoved += 1;
      return true;
    }
    if (standing === 'votes' && !member.stranger) return true;
    if (standing !== 'none' && member.stranger) {
      // The new one is there before the old one goes.
      if (member.peer?.state !== 'founding') return false;
      await this.#change(operator, 'remove', errand, random);
      return false;
    }
    if (standing === 'none') {
      // Nobody adds who may not be emptied.
      if (!member.up && this.#hosts.isOut(member)) return true;
      if (member.up && member.peer?.state !== 'founding') {
        this.#untold += 1;
        // It was removed and nobody told it, as nobody knew its directory by more than its name.
        if (this.#untold > TRIES_MAX) this.#hosts.empty(member);
        return false;
      }
      this.#untold = 0;
      await this.#change(operator, 'add', errand, random);
      return false;
    }
    await this.#change(operator, 'promote', errand, random);
    this.counts.learnersPromoted += 1;
    return false;
  }

  async #change(operator: Operator, change: MemberChange, errand: Errand, random: Random): Promise<void> {
    const peer = errand.peer ?? '';
    this.context.world.line(this.host, () => `asks to ${change} ${peer}`);
    const changing = operator.changeMember(change, peer);
    this.#beside(operator, peer);
    this.#trouble(errand, random);
    const index = await changing;
    this.context.world.line(this.host, () => `${change} ${peer} is done at ${index}`);
  }

  /** Another operator wants something at the same time: one of the two has to wait. */
  #beside(operator: Operator, peer: string): void {
    const other = this.#cluster.members.find((one) => one.id !== peer && this.#waits(one));
    if (other === undefined || this.context.calm()) return;
    const change = this.#cluster.standingOf(other.id) === 'learns' ? 'promote' : 'add';
    this.context.world.line(this.host, () => `asks to ${change} ${other.id} at the same time`);
    operator.changeMember(change, other.id).catch((error: unknown) => {
      const code = error instanceof TaskraftError ? error.code : undefined;
      if (code === undefined || NEVER.has(code)) {
        this.context.world.fail(new Violation('operator', `the operator was answered ${String(error)}`, error));
      }
    });
  }

  /** True when the member could be added or promoted. */
  #waits(member: SimMember): boolean {
    if (!member.up) return false;
    const standing = this.#cluster.standingOf(member.id);
    return standing === 'learns' ? !member.stranger : standing === 'none' && member.peer?.state === 'founding';
  }

  /** At the first change of an errand, or at a later one. */
  #trouble(errand: Errand, random: Random): void {
    if (errand.type === 'transfer' || this.#troubled === errand || below(random, 2) === 0) return;
    this.#troubled = errand;
    errand.asked?.();
  }

  async #transfer(operator: Operator, peer: string | undefined): Promise<boolean> {
    this.context.world.line(this.host, () => `asks to hand leadership to ${peer ?? 'somebody'}`);
    try {
      await operator.transferLeadership(peer);
      this.counts.transfers += 1;
    } catch (error) {
      if (!(error instanceof TaskraftError)) throw error;
      if (error.code === 'TRANSFER_FAILED') this.counts.transfersFailed += 1;
      if (NEVER.has(error.code)) throw error;
    }
    return true;
  }
}
