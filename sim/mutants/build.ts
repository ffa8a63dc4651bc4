/** A copy of the project with one bug in it, built as the project is built. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Mutant, plant } from './mutant.ts';

/** The compiled file lies in `dist/sim/mutants`; the source is what is copied. */
const ROOT = path.resolve(import.meta.dirname, '..', '..', '..');

/** What a build of the simulator needs. */
const FOR_SEEDS = ['src', 'sim', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
/** What its tests need beside. */
const FOR_TESTS = [...FOR_SEEDS, 'test', 'docs', 'vitest.config.ts', 'cluster.example.json', 'README.md'];

/** A build with a bug. */
export interface MutantBuild {
  /** The project's copy. */
  readonly folder: string;
  /** The program that runs seeds. */
  readonly main: string;
  remove(): Promise<void>;
}

/**
 * Copies, plants and builds.
 * @param withTests The copy has the tests of the project, too.
 * @throws Error when the text of the bug does not match, or what comes of it does not compile
 */
export async function buildMutant(mutant: Mutant, withTests = false): Promise<MutantBuild> {
  const folder = await mkdtemp(path.join(tmpdir(), 'taskraft-mutant-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    for (const part of withTests ? FOR_TESTS : FOR_SEEDS) {
      const from = path.join(ROOT, part);
      if (existsSync(from)) await cp(from, path.join(folder, part), { recursive: true });
    }
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    const file = path.join(folder, mutant.file);
    await writeFile(file, plant(mutant, await readFile(file, 'utf8')));
    await compile(folder, mutant.name);
    return { folder, main: path.join(folder, 'dist', 'sim', 'main.js'), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function compile(folder: string, name: string): Promise<void> {
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, said } = await run(folder, [tsc, '-p', 'tsconfig.build.json']);
  if (code !== 0) throw new Error(`the mutant "${name}" does not compile:\n${said}`);
}

/** What a program said, on both channels, and how it ended; `undefined` for a signal. */
export interface Ran {
  readonly code: number | undefined;
  readonly said: string;
}

/** Runs a program of Node in `folder`. @param timeoutMs After it the program and all that it began is killed. */
export function run(folder: string, args: readonly string[], timeoutMs?: number): Promise<Ran> {
  // A group of its own: a runner of tests has workers, and a demo peers, which must not outlive it.
  const child = spawn(process.execPath, args, { cwd: folder, detached: true, env: { ...process.env, NO_COLOR: '1' } });
  let said = '';
  const hear = (data: Buffer): void => {
    said += data.toString();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
        }, timeoutMs);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? undefined, said });
    });
  });
}
