/** Faults that happen just before an instant of a schedule, at it, or just after it: mostly to the leader. */
import { below, type Random } from '../../src/base/random.ts';
import { pause, until } from '../clock.ts';
import type { ChaosCluster, PeerSetting } from '../cluster.ts';
import { pick } from '../faults/fault.ts';
import { waysBetween } from '../network.ts';
import type { Cycle } from './cycle.ts';
import { LONG_KIND } from './kinds.ts';
import type { LogClock } from './log-clock.ts';
import type { Workers } from './workers.ts';

/** What such a fault is given. */
export interface AimContext {
  readonly cluster: ChaosCluster;
  readonly workers: Workers;
  readonly clock: LogClock;
  readonly random: Random;
  /** Of which schedules instants are aimed at. */
  readonly cycles: readonly Cycle[];
  say(line: string): void;
  count(what: string): void;
  /** Nobody could be asked to do anything from the first to the second instant of the shared wall clock. */
  noteDowntime(fromMs: number, toMs: number): void;
}

/** See the head of this file. */
export interface AimedFault {
  readonly name: string;
  /** Makes it happen, and ends it. @throws when the cluster does not come back */
  run(context: AimContext): Promise<void>;
}

/** How long the cluster is down for a `downtime`: longer than what is only late. In ms. */
const DOWNTIME_MS = 66_000;
/** Longer than a lease. In ms. */
const DEAF_MS = 16_000;
/** An attempt that began less than this ago has most of its work before it. In ms. */
const JUST_MS = 1_500;
/** How long one is waited for: the end of what runs, the next instant, and perhaps a worker that was lost. In ms. */
const BEGINS_MS = 90_000;
/** Either side of an instant, in ms: half of the faults come closer than a quarter of it. */
const AROUND_MS = 120;
const CLOCK_OFFSETS_MS: readonly number[] = [300, -400, 2_000, -3_000, 90_000, -90_000, 7_200_000];

const kill: AimedFault = {
  name: 'kill',
  async run(context) {
    const { cluster, random } = context;
    const id = await aimAtLeader(context, 'kill');
    context.count('leaders killed');
    await cluster.process(id).kill();
    await pause(below(random, 1_000));
    await cluster.startPeer(id);
  },
};

const stop: AimedFault = {
  name: 'stop',
  async run(context) {
    const { cluster } = context;
    const id = await aimAtLeader(context, 'ask to end');
    context.count('leaders asked to end');
    await cluster.process(id).stop();
    await cluster.startPeer(id);
  },
};

const stall: AimedFault = {
  name: 'pause',
  async run(context) {
    const { cluster, random } = context;
    const id = await aimAtLeader(context, 'stop for a while');
    context.count('leaders paused');
    cluster.process(id).signal('SIGSTOP');
    await pause(100 + below(random, 3_500));
    cluster.process(id).signal('SIGCONT');
  },
};

const cutOff: AimedFault = {
  name: 'cut off',
  async run(context) {
    const { cluster, random } = context;
    const id = await aimAtLeader(context, 'cut off');
    context.count('leaders cut off');
    const others = cluster.ids.filter((other) => other !== id);
    for (const way of [...waysBetween([id], others), ...waysBetween(others, [id])]) await cluster.network.block(way);
    await pause(500 + below(random, 3_500));
    await cluster.network.heal();
  },
};

const clock: AimedFault = {
  name: 'clock',
  async run(context) {
    const { cluster, random } = context;
    const leads = below(random, 3) > 0;
    const id = leads ? await aimAtLeader(context, 'set the clock of') : pick(random, cluster.ids);
    context.count(leads ? 'clocks of leaders set' : 'clocks of peers set');
    cluster.process(id).signal('SIGUSR2');
    await pause(500 + below(random, 3_000));
    cluster.process(id).signal('SIGUSR2');
  },
};

const worker: AimedFault = {
  name: 'worker',
  async run({ workers, say, count }) {
    say('kill a worker');
    count('workers killed');
    await workers.killOne();
    await workers.add();
  },
};

const everybody: AimedFault = {
  name: 'all',
  async run(context) {
    const { cluster } = context;
    await aimAtLeader(context, 'kill all with');
    context.count('times all were killed');
    await Promise.all(cluster.ids.map((id) => cluster.process(id).kill()));
    await Promise.all(cluster.ids.map((id) => cluster.startPeer(id)));
  },
};

/** All are gone for so long that occurrences are missed. */
export const downtime: AimedFault = {
  name: 'downtime',
  async run(context) {
    const { cluster, random } = context;
    await aimAtLeader(context, `for ${DOWNTIME_MS / 1_000} s: end all with`);
    context.count('downtimes');
    const fromMs = Date.now();
    await Promise.all(cluster.ids.map((id) => cluster.process(id).kill()));
    await pause(DOWNTIME_MS + below(random, 3_000));
    await Promise.all(cluster.ids.map((id) => cluster.startPeer(id)));
    await cluster.untilLeader();
    context.noteDowntime(fromMs, Date.now());
  },
};

/**
 * The network of a worker is dead for longer than its lease lasts, just after it began with something long. Nothing else happens
 * meanwhile, since each new leader owes a worker another lease before it calls it lost.
 */
const deafWorker: AimedFault = {
  name: 'deaf worker',
  async run({ cluster, workers, random, say, count }) {
    const client = await cluster.client();
    let name: string | undefined;
    await until('a long attempt begins', BEGINS_MS, async () => {
      const { tasks } = await client.list({ queue: LONG_KIND.id, states: ['running'] }).catch(() => ({ tasks: [] }));
      const { logTimeMs } = await cluster.untilLeader();
      name = tasks.find(({ startedAtMs = 0 }) => logTimeMs - startedAtMs < JUST_MS)?.worker;
      return name !== undefined;
    });
    const lengthMs = DEAF_MS + below(random, 3_000);
    say(`${name} hears nothing for ${lengthMs} ms`);
    count('workers cut off');
    workers.deafen(name ?? '', lengthMs);
    await pause(DEAF_MS);
  },
};

/** What happens in every run. */
export const AIMED_FAULTS: readonly AimedFault[] = [kill, stop, stall, cutOff, clock, worker, everybody];
/** What happens besides in one that has the time for it. */
export const LONG_FAULTS: readonly AimedFault[] = [deafWorker];

/** A peer whose clock can be set. */
export function settableClock(random: Random): PeerSetting {
  const offsetsMs = Array.from({ length: 16 }, () => pick(random, CLOCK_OFFSETS_MS));
  return {
    preload: new URL('./moved-clock.js', import.meta.url).href,
    // Whoever is set once is set right the next time.
    environment: { TASKRAFT_CHAOS_CLOCK: offsetsMs.map((offsetMs) => `${offsetMs},0`).join(',') },
  };
}

/** Waits until near an instant; tells who leads then. */
async function aimAtLeader({ cluster, clock: time, random, cycles, say }: AimContext, what: string): Promise<string> {
  await time.look();
  const { peer, term } = await cluster.untilLeader();
  const aroundMs = below(random, 2) === 0 ? AROUND_MS : AROUND_MS / 4;
  const deltaMs = below(random, 2 * aroundMs + 1) - aroundMs;
  await time.aim(pick(random, cycles), deltaMs);
  const side = deltaMs < 0 ? `${-deltaMs} ms before` : `${deltaMs} ms after`;
  say(`${what} ${peer}, which leads term ${term}, ${side} an instant`);
  return peer;
}
