/** The disk of one peer lies: bits turn, files are cut or gone, or all of them. The peer is to notice and to mend itself. */
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { below, type Random } from '../../src/base/random.ts';
import { replacePeer } from '../operator.ts';
import { type Fault, type FaultContext, pick } from './fault.ts';

/** What a peer that cannot mend itself says: then it is replaced, as its sentence asks for. */
const ASKS_FOR_REPLACEMENT = /taskraft cluster replace/;
/** Lives that a damaged peer may need: one that finds damage at work ends, and mends it at the next start. */
const LIVES_MAX = 3;

/** Damage to the files of a peer that does not run. */
export const damage: Fault = {
  name: 'damage',
  kind: 'exclusive',
  unavailable: () => undefined,
  async run(context) {
    const { cluster, random, say } = context;
    const victim = pick(random, cluster.ids);
    if (below(random, 2) === 0) await cluster.process(victim).kill();
    else await cluster.process(victim).stop();
    say(`damage at ${victim}: ${harm(cluster.dataOf(victim), random)}`);
    await comeBack(context, victim);
  },
};

/** All files of a peer are lost. */
export const wipe: Fault = {
  name: 'wipe',
  kind: 'exclusive',
  unavailable: () => undefined,
  async run({ cluster, random, say }) {
    const victim = pick(random, cluster.ids);
    await cluster.process(victim).kill();
    say(`${victim} has lost its directory, and is replaced`);
    await replacePeer(cluster, victim);
    await cluster.untilWhole();
  },
};

/** Starts a damaged peer until it is as far as the others. @throws when it does not come to that */
async function comeBack(context: FaultContext, id: string): Promise<void> {
  const { cluster, say } = context;
  for (let life = 1; ; life += 1) {
    try {
      await cluster.startPeer(id);
      await cluster.untilWhole();
      context.count('peers that mended themselves');
      return;
    } catch (error) {
      const process = cluster.process(id);
      if (process.running || life === LIVES_MAX) throw error;
      if (!ASKS_FOR_REPLACEMENT.test(process.lastWords())) continue;
      say(`  ${id} asks to be replaced`);
      context.count('peers that asked to be replaced');
      await replacePeer(cluster, id);
      await cluster.untilWhole();
      return;
    }
  }
}

/** Damages one file, and says which and how. */
function harm(directory: string, random: Random): string {
  const file = pick(random, dataFiles(directory));
  const name = path.relative(directory, file);
  const sizeBytes = statSync(file).size;
  const lot = below(random, 10);
  if (lot < 6 && sizeBytes > 0) {
    const bytes = readFileSync(file);
    const at = below(random, sizeBytes);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
    writeFileSync(file, bytes);
    return `a bit turns at ${at} of ${sizeBytes} bytes of ${name}`;
  }
  if (lot < 9) {
    const left = below(random, sizeBytes + 1);
    truncateSync(file, left);
    return `${name} has ${left} of ${sizeBytes} bytes left`;
  }
  rmSync(file);
  return `${name} is gone`;
}

/** The files of a data directory that hold what was promised: not locks, and not what LevelDB says to people. */
function dataFiles(directory: string): readonly string[] {
  const all = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = all
    .filter((entry) => entry.isFile() && /^(?:HEAD|\d+\.(?:log|ldb)|MANIFEST-\d+|CURRENT)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) throw new Error(`there is nothing to damage in ${directory}`);
  return files;
}
