/**
 * What befalls the cluster. Time is cut into short ticks; at each, every family of faults draws one number, whether it is on or
 * not, and strikes when its rate says so. A strike draws the rest from a stream of its own, named by its number.
 *
 *     tick × family ─▶ number ─▶ masked? nothing : stream of the number ─▶ strike ─▶ what happened, in words
 *
 * So a fault that is masked, in order to find out which ones a failure needs, changes nothing about when and how the others come.
 */
import { deriveSeed, SeededRandom } from '../../src/base/random.ts';
import { CALM_NETWORK, FAULTS, type FaultName } from '../options.ts';
import { PLENTY_BYTES } from '../platter.ts';
import { COPY_FAULTS } from './copy-faults.ts';
import { DISK_FAULTS } from './disk-faults.ts';
import { ELECTION_FAULTS } from './election-faults.ts';
import type { FaultTargets, Strike } from './family.ts';
import { MEMBER_FAULTS } from './member-faults.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { PROCESS_FAULTS } from './process-faults.ts';
import { PROGRAM_FAULTS } from './program-faults.ts';
import { SCHEDULE_FAULTS } from './schedule-faults.ts';

/** Between two draws, in µs. */
const TICK_US = 20_000;
const TICKS_A_SECOND = 1_000_000 / TICK_US;

/** Numbers of faults in one tick: there are no more families. */
const NUMBERS_A_TICK = 64;

/** One fault that happened. */
export interface FaultOccurrence {
  /** Ascending in time, and the same for the same fault whichever others are masked. */
  readonly number: number;
  readonly family: FaultName;
  readonly atMs: number;
  readonly words: string;
}

/** By family: how many happened. */
export type FaultCounts = Record<FaultName, number>;

const STRIKES = {
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...DISK_FAULTS,
  ...COPY_FAULTS,
  ...ELECTION_FAULTS,
  ...MEMBER_FAULTS,
  ...PROGRAM_FAULTS,
  ...SCHEDULE_FAULTS,
} as Readonly<Record<FaultName, Strike>>;

/** See the head of this file. */
export class Faults {
  readonly counts: FaultCounts = Object.fromEntries(FAULTS.map((name) => [name, 0])) as FaultCounts;
  /** In the order in which they happened. */
  readonly happened: FaultOccurrence[] = [];
  readonly #targets: FaultTargets;
  readonly #masked: ReadonlySet<number>;
  readonly #lots: SeededRandom;
  /** By the place of a family: it strikes with a lot below this. */
  readonly #thresholds: readonly number[];
  #active = false;
  #tick = 0;

  constructor(targets: FaultTargets, masked: ReadonlySet<number>) {
    this.#targets = targets;
    this.#masked = masked;
    this.#lots = targets.world.random('faults');
    const { rates } = targets.options.faults;
    this.#thresholds = FAULTS.map((family) => Math.min(1, rates[family] / TICKS_A_SECOND) * 0x1_0000_0000);
  }

  /** True while faults happen. */
  get active(): boolean {
    return this.#active;
  }

  begin(): void {
    this.#active = true;
    this.#later();
  }

  /** No more faults, and what was done to clocks, disks and links is undone. Who is down stays so. */
  calm(): void {
    this.#active = false;
    const { cluster, hosts, network, atlas } = this.#targets;
    network.calm(CALM_NETWORK);
    hosts.calm();
    atlas.putBack();
    for (const member of cluster.members) {
      member.clock.skewMs = 0;
      member.stallUs = 0;
      member.platter.freeBytes = PLENTY_BYTES;
    }
  }

  #later(): void {
    const { world } = this.#targets;
    world.schedule(world.nowUs + TICK_US, 'plan', undefined, () => this.#draw());
  }

  #draw(): void {
    if (!this.#active) return;
    for (let place = 0; place < FAULTS.length; place += 1) {
      const lot = this.#lots.uint32();
      if (lot < (this.#thresholds[place] as number))
        this.#strike(this.#tick * NUMBERS_A_TICK + place, FAULTS[place] as FaultName);
    }
    this.#tick += 1;
    this.#targets.atlas.look();
    this.#later();
  }

  #strike(number: number, family: FaultName): void {
    if (this.#masked.has(number)) return;
    const { world, options } = this.#targets;
    const words = STRIKES[family](this.#targets, new SeededRandom(deriveSeed(options.seed, `fault ${number}`)));
    if (words === undefined) return;
    this.counts[family] += 1;
    this.happened.push({ number, family, atMs: Math.round(world.nowUs / 1_000), words });
    world.line('world', () => `fault ${number} (${family}): ${words}`);
  }
}
