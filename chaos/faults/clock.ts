/** The wall clock of one peer is wrong: it is started under libfaketime with an offset, and later without. */
import { below } from '../../src/base/random.ts';
import { pause } from '../clock.ts';
import { findFile } from '../tools.ts';
import { type Fault, pick } from './fault.ts';

/** Where distributions put the library, of several threads first. `TASKRAFT_FAKETIME` may name another place. */
const LIBRARIES: readonly string[] = [
  ...(process.env['TASKRAFT_FAKETIME'] === undefined ? [] : [process.env['TASKRAFT_FAKETIME']]),
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib64/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
];

const OFFSETS: readonly string[] = ['+0.3s', '-0.4s', '+2s', '-3s', '+90s', '-90s', '+2h', '-1d'];

/** See the head of this file. */
export const clockOffset: Fault = {
  name: 'clock',
  kind: 'process',
  unavailable: () => (findFile(LIBRARIES) === undefined ? 'libfaketime is not installed' : undefined),
  async run({ cluster, random, say }) {
    const library = findFile(LIBRARIES) ?? '';
    const victim = pick(random, cluster.ids);
    const offset = pick(random, OFFSETS);
    say(`the wall clock of ${victim} is ${offset} off`);
    // Monotonic time is what the kernel makes of it; no clock of the world sets it.
    const environment = { LD_PRELOAD: library, FAKETIME: offset, DONT_FAKE_MONOTONIC: '1' };
    cluster.set(victim, { environment });
    await cluster.process(victim).kill();
    await cluster.startPeer(victim);
    await pause(2_000 + below(random, 4_000));
    cluster.set(victim, {});
    await cluster.process(victim).stop();
    await cluster.startPeer(victim);
  },
};
