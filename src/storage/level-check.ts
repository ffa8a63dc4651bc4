import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { DecodeError } from '../base/bytes.ts';
import { tablesOf } from './level-manifest.ts';
import { checkTable } from './level-table.ts';

/** Blocks of 4 KiB and more; that many take a few milliseconds. */
const STEPS_A_SLICE = 64;

/**
 * What is wrong with the files of the database in `location`, as a part of a sentence; undefined when LevelDB can read its tables
 * without harm to the process, see `level-table.ts`. Whatever else is wrong LevelDB tells when it opens the database.
 * @param allChecksums See `checkTable`.
 */
export async function findBadFile(location: string, allChecksums: boolean): Promise<string | undefined> {
  const current = join(location, 'CURRENT');
  if (!existsSync(current)) return undefined;
  const named = readFileSync(current, 'latin1').trim();
  if (!/^MANIFEST-\d+$/.test(named)) return `the file CURRENT of LevelDB in ${location} names no manifest`;
  const manifest = join(location, named);
  if (!existsSync(manifest)) return `the file ${named} of LevelDB in ${location} is missing`;
  for (const table of tablesOf(readFileSync(manifest)) ?? []) {
    const name = `${String(table).padStart(6, '0')}.ldb`;
    const path = join(location, name);
    if (!existsSync(path)) continue;
    try {
      await inSlices(checkTable(await readFile(path), allChecksums));
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
      return `the table ${name} of LevelDB in ${location} is damaged (${error.message})`;
    }
  }
  return undefined;
}

/** Takes `steps` to their end and lets others in now and then. */
async function inSlices(steps: Generator<void, void>): Promise<void> {
  let taken = 0;
  while (steps.next().done !== true) {
    taken += 1;
    if (taken % STEPS_A_SLICE === 0) await setImmediate();
  }
}
