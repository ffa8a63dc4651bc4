import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
const STAMP = path.join(ROOT, 'dist', '.built');
const SOURCES = ['src', 'sim', 'bench', 'tsconfig.json', 'tsconfig.build.json', 'package.json'];

/** Runs once before the tests that start real processes: builds `dist` unless it was built from these very sources. */
export function setup(): void {
  // Taken before the build, so that a source saved during it is seen as newer by the next run.
  const newest = String(newestMs(SOURCES.map((name) => path.join(ROOT, name))));
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === newest) return;
  execFileSync('npm', ['run', '-s', 'build'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  writeFileSync(STAMP, newest);
}

function newestMs(paths: readonly string[]): number {
  let newest = 0;
  for (const at of paths) {
    const found = statSync(at, { throwIfNoEntry: false });
    if (found === undefined) continue;
    newest = Math.max(newest, found.mtimeMs);
    if (found.isDirectory()) newest = Math.max(newest, newestMs(readdirSync(at).map((name) => path.join(at, name))));
  }
  return newest;
}
