/**
 * A copy of the project into which bugs are planted.
 *
 *     copy ─▶ build ─┬─▶ plant some, a file each ─▶ build what differs ─▶ use ─▶ take out ─┐
 *                    └─────────────────────────────────────────────────────────────────────┘
 *
 * The first build takes seconds of CPU time; one after a file has changed takes a fraction of that, and checks types as the first did.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { assert } from '../../src/base/assert.ts';
import { type Mutant, plant } from './mutant.ts';

/** The compiled file lies in `dist/sim/mutants`; the source is what is copied. */
const ROOT = path.resolve(import.meta.dirname, '..', '..', '..');

/** What a build of the simulator needs. */
const FOR_SEEDS = ['src', 'sim', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
/** What its tests need beside. */
const FOR_TESTS = [...FOR_SEEDS, 'test', 'docs', 'vitest.config.ts', 'cluster.example.json', 'README.md'];

/** How a copy is built: as the project is, but for what nobody reads, and with a note of what was built before. */
const BUILD = ['-p', 'tsconfig.build.json', '--declaration', 'false', '--isolatedDeclarations', 'false'];
const ONLY_CHANGES = ['--sourceMap', 'false', '--incremental', '--tsBuildInfoFile', 'dist/.tsbuildinfo'];

/** See the head of this file. */
export class Workbench {
  /** The project's copy. */
  readonly folder: string;
  /** What the planted files held before; empty while nothing is planted. */
  #before: readonly { readonly file: string; readonly source: string }[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Copies and builds the project.
   * @param withTests The copy has the tests of the project, too.
   */
  static async make(withTests = false): Promise<Workbench> {
    const bench = new Workbench(await emptyFolder());
    try {
      for (const part of withTests ? FOR_TESTS : FOR_SEEDS) {
        const from = path.join(ROOT, part);
        if (existsSync(from)) await cp(from, path.join(bench.folder, part), { recursive: true });
      }
      await symlink(path.join(ROOT, 'node_modules'), path.join(bench.folder, 'node_modules'));
      await bench.#compile('the project');
      return bench;
    } catch (error) {
      await bench.remove();
      throw error;
    }
  }

  /** Another one like this, while nothing is planted here. */
  async twin(): Promise<Workbench> {
    const bench = new Workbench(await emptyFolder());
    await cp(this.folder, bench.folder, { recursive: true, verbatimSymlinks: true });
    return bench;
  }

  /** The program that runs seeds. */
  get main(): string {
    return path.join(this.folder, 'dist', 'sim', 'main.js');
  }

  /**
   * Takes out what is planted, plants `mutants`, each in a file of its own, and builds.
   * @throws Error when the text of a bug does not match, or what comes of them does not compile
   */
  async plant(...mutants: readonly Mutant[]): Promise<void> {
    assert(new Set(mutants.map(({ file }) => file)).size === mutants.length, 'bugs are planted a file each');
    for (const { file, source } of this.#before) await writeFile(file, source);
    this.#before = [];
    for (const mutant of mutants) {
      const file = path.join(this.folder, mutant.file);
      const source = await readFile(file, 'utf8');
      const planted = plant(mutant, source);
      this.#before = [...this.#before, { file, source }];
      await writeFile(file, planted);
    }
    await this.#compile(`the mutant ${mutants.map(({ name }) => `"${name}"`).join(' with ')}`);
  }

  /** What became of a file of the source. */
  compiled(file: string): Promise<string> {
    return readFile(this.#outputOf(file), 'utf8');
  }

  /** Puts what another copy made of a file in the place of what was made of it here. */
  replace(file: string, compiled: string): Promise<void> {
    return writeFile(this.#outputOf(file), compiled);
  }

  /** The name by which a module that is loaded from here is known. */
  urlOf(file: string): string {
    return pathToFileURL(this.#outputOf(file)).href;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  #outputOf(file: string): string {
    return path.join(this.folder, 'dist', file.replace(/\.ts$/, '.js'));
  }

  async #compile(what: string): Promise<void> {
    const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { code, said } = await run(this.folder, [tsc, ...BUILD, ...ONLY_CHANGES]);
    if (code !== 0) throw new Error(`${what} does not compile:\n${said}`);
  }
}

/** Under the name by which modules are known that are loaded from it. */
async function emptyFolder(): Promise<string> {
  return mkdtemp(path.join(await realpath(tmpdir()), 'taskraft-mutant-'));
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
