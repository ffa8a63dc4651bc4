/** A peer may open few files: it is started under a limit of the shell, which it reaches at once or soon. */
import { below } from '../../src/base/random.ts';
import { pause } from '../clock.ts';
import { type Fault, pick } from './fault.ts';

/** Node alone takes some twenty, more while it loads the program; a peer and its connections some fifty. */
const FEWEST = 32;
const MORE = 24;

/** See the head of this file. */
export const fewDescriptors: Fault = {
  name: 'emfile',
  kind: 'process',
  unavailable: () => undefined,
  async run(context) {
    const { cluster, random, say } = context;
    const victim = pick(random, cluster.ids);
    const limit = FEWEST + below(random, MORE);
    say(`${victim} may open ${limit} files`);
    cluster.set(victim, { prefix: ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh'] });
    await cluster.process(victim).stop();
    try {
      await cluster.startPeer(victim);
      await pause(1_000 + below(random, 2_000));
    } catch {
      context.count('peers that did not start with few files');
    }
    cluster.set(victim, {});
    await cluster.process(victim).stop();
    await cluster.startPeer(victim);
  },
};
