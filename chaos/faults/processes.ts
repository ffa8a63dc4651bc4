/** Processes that die, stand still, or are started anew as for an upgrade. */
import { below } from '../../src/base/random.ts';
import { pause, sharedClockMs, until } from '../clock.ts';
import { type Fault, type FaultContext, pick } from './fault.ts';

/** How long the next placement under a new leader is waited for, in ms. Links may be broken at the same time. */
const FAILOVER_PATIENCE_MS = 60_000;
const LOOK_MS = 2;

/** Anybody dies as by a power cut, mostly the leader, and comes back. */
export const kill: Fault = {
  name: 'kill',
  kind: 'process',
  unavailable: () => undefined,
  async run(context) {
    const { cluster, random, say } = context;
    const lot = below(random, 100);
    const leader = await cluster.untilLeader();
    if (lot < 60) {
      await endLeader(context, 'kill');
      await pause(100 + below(random, 1_000));
      await cluster.startPeer(leader.peer);
    } else if (lot < 90) {
      const victim = pick(
        random,
        cluster.ids.filter((id) => id !== leader.peer),
      );
      say(`kill ${victim}, which follows`);
      context.count('followers killed');
      await cluster.process(victim).kill();
      await pause(below(random, 1_500));
      await cluster.startPeer(victim);
    } else {
      say('kill all peers at once');
      context.count('times all were killed');
      await Promise.all(cluster.ids.map((id) => cluster.process(id).kill()));
      await Promise.all(cluster.ids.map((id) => cluster.startPeer(id)));
    }
    await pause(300 + below(random, 700));
  },
};

/** A process stands still for a while, and goes on as if nothing had been. */
export const stall: Fault = {
  name: 'pause',
  kind: 'process',
  unavailable: () => undefined,
  async run({ cluster, random, say }) {
    const leader = await cluster.untilLeader();
    const victim = below(random, 100) < 60 ? leader.peer : pick(random, cluster.ids);
    const lengthMs = 200 + below(random, 4_000);
    say(`stop ${victim}${victim === leader.peer ? ', which leads,' : ''} for ${lengthMs} ms`);
    cluster.process(victim).signal('SIGSTOP');
    await pause(lengthMs);
    cluster.process(victim).signal('SIGCONT');
    await pause(500);
  },
};

/** Every peer in turn is asked to end, and started again. */
export const rollingRestart: Fault = {
  name: 'restart',
  kind: 'process',
  unavailable: () => undefined,
  async run(context) {
    const { cluster, say } = context;
    for (const id of cluster.ids) {
      const leader = await cluster.untilLeader();
      say(`restart ${id}${id === leader.peer ? ', which leads' : ''}`);
      if (id === leader.peer) await endLeader(context, 'stop');
      else await cluster.process(id).stop();
      await cluster.startPeer(id);
      await cluster.untilWhole();
    }
  },
};

/** Ends the leader, and notes how long it was until the next attempt started. @throws when none does */
export async function endLeader(context: FaultContext, how: 'kill' | 'stop'): Promise<void> {
  const { cluster, say } = context;
  const leader = await cluster.untilLeader();
  const process = cluster.process(leader.peer);
  say(`${how} ${leader.peer}, which leads term ${leader.term}`);
  context.count(how === 'kill' ? 'leaders killed' : 'leaders stopped');
  const endedMs = sharedClockMs();
  if (how === 'kill') process.signal('SIGKILL');
  else process.signal('SIGTERM');
  let startMs: number | undefined;
  const placed = until(
    'a task is placed by the next leader',
    FAILOVER_PATIENCE_MS,
    () => {
      startMs = context.startAfter(leader.term);
      return startMs !== undefined;
    },
    LOOK_MS,
  );
  await placed;
  if (startMs !== undefined) context.noteFailover(how, startMs - endedMs);
  await (how === 'stop' ? process.stop() : process.ended);
}
