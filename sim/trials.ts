/**
 * What befalls a cluster that is whole and at rest, at the very end of a run: things that would stop the cluster for good, or of which
 * everybody else would have to know for the rest of the run. One at most, drawn by random numbers of its own, so that the run before it is
 * as it would have been without.
 *
 *     wrong-state:   the memory of one peer goes wrong: it takes itself out, and comes back with the state of the others
 *     split-states:  that of all peers but one does, each in its own way: nobody knows who is right, and nobody goes on
 *     hung-disk:     nothing that the leader writes comes to an end any more: another one leads
 *     lonely-leader: the leader and the others hear no more of each other: it ceases to lead, and another one does
 */
import { ByteWriter } from '../src/base/bytes.ts';
import { below, deriveSeed, SeededRandom } from '../src/base/random.ts';
import { encodeCommand } from '../src/scheduler/batch.ts';
import type { SimCluster } from './cluster.ts';
import type { Hosts } from './faults/hosts.ts';
import { shuffled } from './faults/family.ts';
import type { Remains } from './last-phase.ts';
import type { SimMember } from './member.ts';
import type { SimNetwork } from './network.ts';
import { Violation, type World } from './world.ts';

/** One of them is drawn. Each comes early among the seeds, so that who breaks one is found soon. */
const TRIALS = [
  'none',
  'hung-disk',
  'wrong-state',
  'wrong-state',
  'split-states',
  'split-states',
  'lonely-leader',
  'hung-disk',
  'lonely-leader',
  'split-states',
] as const;

/** How often something is asked of the cluster, so that it has something to write, in µs. */
const ASK_US = 400_000;

/** Peers whose states differ have found that out within this, in µs: a mark or two. */
const NOTICE_US_MAX = 20_000_000;

/** Whoever took itself out has caught up again within this, in µs. */
const CATCH_UP_US_MAX = 40_000_000;

/** A leader whose disk hangs is succeeded within this, in µs: it counts 200 of the longest ticks, on the slowest clock. */
const SUCCESSION_US_MAX = 30_000_000;

/** A leader that hears nobody ceases to lead within this, in µs: the longest election timeout, on the slowest clock, and some. */
const STEP_DOWN_US_MAX = 3_000_000;

/** What a peer says whose state is not that of the others, and what peers say among which no majority has one state. */
const OWN_STATE_WRONG = 'the state of this peer is wrong';
const STATES_DIFFER = 'the peers have different states';

/** Added to sums by a peer whose memory is wrong, times its place: odd, so that no two add up to the same. */
const WRONG_BY = 0x9e3779b1;

/** What happened, as it is counted. */
export interface TrialCounts {
  /** Peers that found their own state to be wrong, and have that of the others again. */
  readonly statesMended: number;
  /** Clusters that stopped because nobody could tell whose state is right. */
  readonly clustersStopped: number;
  /** Leaders that gave up because their disk hung, and because nobody heard them. */
  readonly hungLeaders: number;
  readonly lonelyLeaders: number;
}

/** What it is done to. */
interface Parts {
  readonly world: World;
  readonly seed: number;
  readonly cluster: SimCluster;
  readonly network: SimNetwork;
  readonly hosts: Hosts;
  readonly remains: Remains;
  /** Workers of which the state may know. */
  readonly workers: readonly string[];
  /** A state is fetched sooner than the log behind it is let go. Else whoever lost its state may fetch one after the other in vain. */
  readonly mayRefill: boolean;
  /** Why those who must agree do not, or undefined when they do. */
  readonly disagreement: () => string | undefined;
}

/** See the head of this file. */
export class Trials {
  readonly #parts: Parts;
  readonly #random: SeededRandom;
  readonly #counts = { statesMended: 0, clustersStopped: 0, hungLeaders: 0, lonelyLeaders: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#random = new SeededRandom(deriveSeed(parts.seed, 'last'));
  }

  get counts(): TrialCounts {
    return this.#counts;
  }

  /** Makes one happen, or none. @throws Violation when what must come of it does not */
  async run(): Promise<void> {
    const trial = TRIALS[below(this.#random, TRIALS.length)];
    const { cluster, remains, mayRefill } = this.#parts;
    const voters = cluster.members.filter(({ id }) => cluster.voters.includes(id));
    const { leader } = cluster;
    if (remains.phase !== 'all' || voters.length < 2 || leader === undefined) return;
    if (trial === 'split-states') await this.#splitStates(voters);
    else if (voters.length < 3) return;
    else if (trial === 'wrong-state' && mayRefill) await this.#wrongState(voters);
    else if (trial === 'hung-disk') await this.#hangDisk(leader);
    else if (trial === 'lonely-leader') await this.#leaveAlone(leader);
  }

  async #wrongState(voters: readonly SimMember[]): Promise<void> {
    const { world, hosts, disagreement } = this.#parts;
    const [member] = shuffled(this.#random, voters);
    if (member === undefined) return;
    world.line('world', () => `the memory of ${member.id} goes wrong`);
    member.wrongBy = WRONG_BY;
    hosts.expectHalt(member, OWN_STATE_WRONG, true);
    const noticed = await this.#until(NOTICE_US_MAX, () => !hosts.expectsHalt(member));
    if (!noticed) throw new Violation('wrong-state', `${member.id} goes on with a state that the others do not have`);
    const agreed = await this.#until(CATCH_UP_US_MAX, () => member.wrongBy === 0 && disagreement() === undefined);
    if (!agreed)
      throw new Violation('wrong-state', `after ${member.id} took itself out ${disagreement() ?? 'it is not back'}`);
    this.#counts.statesMended += 1;
  }

  async #splitStates(voters: readonly SimMember[]): Promise<void> {
    const { world, cluster, hosts } = this.#parts;
    world.line('world', 'the memory of all peers but one goes wrong');
    for (const [place, member] of shuffled(this.#random, voters).entries()) member.wrongBy = place * WRONG_BY;
    // Those without a vote hear it, too.
    for (const member of cluster.members) hosts.expectHalt(member, STATES_DIFFER, false);
    const halted = (): number => voters.filter((member) => !hosts.expectsHalt(member)).length;
    // Whoever is left alone hears no more what the others had; it can decide nothing by itself.
    const enough = Math.ceil(voters.length / 2);
    const stopped = await this.#until(NOTICE_US_MAX, () => halted() >= enough && cluster.leader === undefined);
    if (!stopped) throw new Violation('wrong-state', 'peers go on though no majority of them has one state');
    this.#counts.clustersStopped += 1;
  }

  async #hangDisk(leader: SimMember): Promise<void> {
    const { world, cluster } = this.#parts;
    world.line('world', () => `nothing that ${leader.id} writes comes to an end any more`);
    leader.stallUs = 1_000 * SUCCESSION_US_MAX;
    const done = await this.#until(SUCCESSION_US_MAX, () => !leads(leader) && cluster.leader !== undefined);
    if (!done) throw new Violation('hung-disk', `${leader.id} writes nothing any more, and nobody succeeds it`);
    this.#counts.hungLeaders += 1;
  }

  async #leaveAlone(leader: SimMember): Promise<void> {
    const { world, cluster, network } = this.#parts;
    world.line('world', () => `${leader.id} and the others hear no more of each other`);
    for (const { id } of cluster.members) {
      if (id === leader.id) continue;
      network.cut(id, leader.id);
      network.cut(leader.id, id);
    }
    if (!(await this.#until(STEP_DOWN_US_MAX, () => !leads(leader))))
      throw new Violation('lonely-leader', `${leader.id} hears nobody and goes on leading`);
    if (!(await this.#until(SUCCESSION_US_MAX, () => cluster.leader !== undefined)))
      throw new Violation('lonely-leader', `nobody succeeds ${leader.id}, which nobody hears`);
    this.#counts.lonelyLeaders += 1;
  }

  /** Lets time pass until `done`, for so long at most, and has the leader write something now and then. */
  async #until(maxUs: number, done: () => boolean): Promise<boolean> {
    const { world } = this.#parts;
    const endUs = world.nowUs + maxUs;
    while (world.nowUs < endUs) {
      if (done()) return true;
      this.#ask();
      await world.run(world.nowUs + ASK_US, done);
    }
    return done();
  }

  /** What changes nothing, and is a record of the state all the same. */
  #ask(): void {
    const { cluster, world, workers } = this.#parts;
    const { leader } = cluster;
    if (leader?.process?.alive !== true) return;
    world.schedule(world.nowUs, 'plan', leader.process, () => {
      for (const worker of workers) {
        const writer = new ByteWriter(64);
        encodeCommand(writer, 'peer', { type: 'resumeWorker', worker });
        leader.peer?.propose('dispatch', writer.take(), 1, () => {});
      }
    });
  }
}

function leads(member: SimMember): boolean {
  return member.raft?.role === 'leader';
}
