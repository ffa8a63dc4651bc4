/** Clients that submit, ask and wait, and workers that run what they get, all through the real SDK; every one of them may fail. */
import type { ClientVisible } from './checkers/client-visible.ts';
import type { LeaseExclusion } from './checkers/lease-exclusion.ts';
import type { SingleRun } from './checkers/single-run.ts';
import { SimClient } from './client.ts';
import { hostClock } from './cluster.ts';
import type { Ledger } from './ledger.ts';
import { clientUrl } from './member.ts';
import type { SimNetwork } from './network.ts';
import type { SimOptions } from './options.ts';
import { Reader } from './reader.ts';
import { RogueWorker } from './rogue-worker.ts';
import type { ScheduleBook } from './schedules/book.ts';
import { Occasions } from './schedules/occasions.ts';
import { Planner } from './schedules/planner.ts';
import { SimWorker } from './worker.ts';
import type { World } from './world.ts';

/** Above this many unfinished tasks clients submit no more, in good faith. */
const UNFINISHED_MAX = 80;

/** What clients and workers share. */
export interface WorkloadContext {
  readonly world: World;
  readonly network: SimNetwork;
  readonly options: SimOptions;
  readonly ledger: Ledger;
  readonly book: ScheduleBook;
  readonly visible: ClientVisible;
  readonly leases: LeaseExclusion;
  readonly singleRun: SingleRun;
  readonly occasions: Occasions;
  readonly urls: readonly string[];
  /** False once clients should begin nothing new. */
  readonly asking: () => boolean;
  /** True when so many tasks are unfinished that clients had better ask than submit. */
  readonly enough: () => boolean;
  /** True once everything is healed. */
  readonly calm: () => boolean;
  /** Ids of the workers of the SDK. */
  readonly workers: () => readonly string[];
}

/** See the head of this file. */
export class Workload {
  readonly clients: readonly SimClient[];
  readonly workers: readonly SimWorker[];
  readonly rogues: readonly RogueWorker[];
  readonly readers: readonly Reader[];
  readonly planners: readonly Planner[];
  readonly occasions: Occasions = new Occasions();
  /** What programs of users share. */
  readonly context: WorkloadContext;
  #asking = true;
  #calm = false;

  constructor(
    world: World,
    options: SimOptions,
    parts: {
      readonly network: SimNetwork;
      readonly ledger: Ledger;
      readonly book: ScheduleBook;
      readonly visible: ClientVisible;
      readonly leases: LeaseExclusion;
      readonly singleRun: SingleRun;
      /** Tasks that are not final. */
      readonly unfinished: () => number;
      /** Schedules that there are. */
      readonly schedulesLeft: () => number;
    },
  ) {
    const urls = Array.from({ length: options.peers }, (_, at) => clientUrl(`p${at + 1}`));
    this.context = {
      world,
      options,
      ...parts,
      occasions: this.occasions,
      urls,
      asking: () => this.#asking,
      enough: () => parts.unfinished() >= UNFINISHED_MAX,
      calm: () => this.#calm,
      workers: () => this.#workerIds(),
    };
    const { context } = this;
    const { clients, workers, rogues, readers } = options.workload;
    const make = <T>(count: number, letter: string, one: (host: string) => T): T[] =>
      Array.from({ length: count }, (_, at) => one(`${letter}${at + 1}`));
    const clockOf = (host: string): ReturnType<typeof hostClock> => hostClock(world, host, options);
    this.clients = make(clients, 'c', (host) => new SimClient(host, clockOf(host), context));
    this.workers = make(workers, 'w', (host) => new SimWorker(host, clockOf(host), context, host === 'w1'));
    this.rogues = make(rogues, 'r', (host) => new RogueWorker(host, clockOf(host), context));
    this.readers = make(readers, 'g', (host) => new Reader(host, clockOf(host), context));
    const planning = { left: parts.schedulesLeft };
    this.planners = make(
      options.schedules.planners,
      's',
      (host) => new Planner(host, clockOf(host), context, planning),
    );
  }

  /** Hosts that are no peers. */
  get hosts(): string[] {
    return [...this.clients, ...this.workers].map(({ host }) => host);
  }

  #workerIds(): string[] {
    return this.workers.map(({ host }) => host);
  }

  begin(): void {
    for (const one of [...this.clients, ...this.workers, ...this.rogues, ...this.readers, ...this.planners]) one.boot();
  }

  /** Everybody is there again and behaves. */
  heal(): void {
    this.#calm = true;
    for (const one of [...this.clients, ...this.workers, ...this.planners]) one.recover();
    // What operators had drained is to work again.
    for (const client of this.clients) client.resumeWorkers(this.#workerIds());
    for (const rogue of this.rogues) rogue.leave();
  }

  /** Clients begin nothing new. */
  rest(): void {
    this.#asking = false;
    for (const reader of this.readers) reader.leave();
  }

  /** Every schedule is taken away. */
  clear(): void {
    for (const planner of this.planners) planner.clear();
  }
}
