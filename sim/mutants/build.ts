/** A copy of the source with one bug in it, built as the project is built. */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Mutant, plant } from './mutant.ts';

/** The compiled file lies in `dist/sim/mutants`; the source is what is copied. */
const ROOT = path.resolve(import.meta.dirname, '..', '..', '..');

/** What a build of the simulator needs. */
const COPIED = ['src', 'sim', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];

/** A build with a bug. */
export interface MutantBuild {
  /** The program that runs seeds. */
  readonly main: string;
  remove(): Promise<void>;
}

/** @throws Error when the text of the bug does not match, or what comes of it does not compile */
export async function buildMutant(mutant: Mutant): Promise<MutantBuild> {
  const folder = await mkdtemp(path.join(tmpdir(), 'taskraft-mutant-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    for (const part of COPIED) await cp(path.join(ROOT, part), path.join(folder, part), { recursive: true });
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    const file = path.join(folder, mutant.file);
    await writeFile(file, plant(mutant, await readFile(file, 'utf8')));
    await compile(folder, mutant.name);
    return { main: path.join(folder, 'dist', 'sim', 'main.js'), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function compile(folder: string, name: string): Promise<void> {
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const child = spawn(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: folder });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the mutant "${name}" does not compile:\n${said}`));
    });
  });
}
