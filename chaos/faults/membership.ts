/** Peers come and go: a new one is taken in and gets a vote, then an old one is taken out, the leader perhaps. */
import { rmSync } from 'node:fs';
import { until } from '../clock.ts';
import { taskraft } from '../operator.ts';
import { type Fault, pick } from './fault.ts';

/** How long a peer that was removed may take until it ends by itself, in ms. */
const END_PATIENCE_MS = 30_000;

/** See the head of this file. */
export const membership: Fault = {
  name: 'membership',
  kind: 'process',
  unavailable: () => undefined,
  async run(context) {
    const { cluster, random, say } = context;
    const added = `p${cluster.everyId.length + 1}`;
    say(`add ${added}`);
    await cluster.network.add(added);
    await cluster.startPeer(added);
    await taskraft(cluster, ['cluster', 'add', added, '--promote', '--wait-timeout', '60s']);
    cluster.members.add(added);
    const leader = await cluster.untilLeader();
    const others = cluster.ids.filter((id) => id !== added && id !== leader.peer);
    const removed = random.uint32() % 3 === 0 ? leader.peer : pick(random, others);
    say(`remove ${removed}${removed === leader.peer ? ', which leads' : ''}`);
    await taskraft(cluster, ['cluster', 'remove', removed]);
    cluster.members.delete(removed);
    const process = cluster.process(removed);
    await until(`${removed}, which was removed, ends by itself`, END_PATIENCE_MS, () => !process.running);
    rmSync(cluster.dataOf(removed), { recursive: true, force: true });
    context.count('peers swapped');
    await cluster.untilWhole();
  },
};

/** Leadership is handed over, by command. */
export const transfer: Fault = {
  name: 'transfer',
  kind: 'process',
  unavailable: () => undefined,
  async run({ cluster, random, say }) {
    const leader = await cluster.untilLeader();
    const others = cluster.ids.filter((id) => id !== leader.peer);
    const named = random.uint32() % 2 === 0 ? [] : [pick(random, others)];
    say(`hand over from ${leader.peer} to ${named[0] ?? 'whoever can take over soonest'}`);
    try {
      await taskraft(cluster, ['cluster', 'transfer', ...named]);
    } catch (error) {
      // Refused while that peer lags, or ended by the next fault: both are answers.
      say(`  ${error instanceof Error ? error.message : String(error)}`);
    }
  },
};
