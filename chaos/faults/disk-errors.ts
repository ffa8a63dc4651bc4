/** The disk of one peer answers with errors: its process runs under libfiu, which fails calls of the system when it is told to. */
import path from 'node:path';
import { below } from '../../src/base/random.ts';
import { pause } from '../clock.ts';
import { findProgram, runProgram } from '../tools.ts';
import { type Fault, pick } from './fault.ts';

/** Which call fails, as libfiu names it. */
const CALLS: readonly string[] = [
  'posix/io/sync/fdatasync',
  'posix/io/rw/write',
  'posix/io/rw/pwrite',
  'posix/io/rw/pread',
];
/** The number of EIO in Linux. */
const EIO = 5;

/** See the head of this file. */
export const diskErrors: Fault = {
  name: 'eio',
  kind: 'process',
  unavailable: () => (findProgram('fiu-run') === undefined ? 'fiu-utils is not installed' : undefined),
  async run(context) {
    const { cluster, random, say } = context;
    const run = findProgram('fiu-run') ?? '';
    const control = findProgram('fiu-ctrl') ?? '';
    const victim = pick(random, cluster.ids);
    const call = pick(random, CALLS);
    const lengthMs = 50 + below(random, 2_000);
    const pipes = path.join(cluster.directory, `fiu-${victim}`);
    cluster.set(victim, { prefix: [run, '-x', '-f', pipes] });
    await cluster.process(victim).stop();
    const process = await cluster.startPeer(victim);
    await cluster.untilWhole();
    say(`${call} fails with EIO on ${victim} for ${lengthMs} ms`);
    const tell = (command: string): void => {
      if (!process.running) return;
      try {
        runProgram(control, ['-f', pipes, '-c', command, String(process.pid)]);
      } catch {
        // It ended between the look and the word.
      }
    };
    tell(`enable name=${call},failinfo=${EIO}`);
    await pause(lengthMs);
    tell(`disable name=${call}`);
    await pause(500);
    if (!process.running) context.count('peers that ended on an error of the disk');
    cluster.set(victim, {});
    await process.stop();
    await cluster.startPeer(victim);
  },
};
