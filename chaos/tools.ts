/** Programs of the host that some faults need, and that need not be there. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';

/** The file of a program, or undefined where it is not installed. Looked for where root's programs are, too. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => path.join(folder, name)).find(isProgram);
}

/** The first of `files` that is there. */
export function findFile(files: readonly string[]): string | undefined {
  return files.find((file) => existsSync(file));
}

/** Runs a program to its end. @throws with what it said, when it fails */
export function runProgram(command: string, args: readonly string[]): string {
  const ran = spawnSync(command, args, { encoding: 'utf8' });
  if (ran.status === 0) return ran.stdout;
  throw new Error(`${command} ${args.join(' ')} failed: ${ran.stderr || String(ran.error ?? ran.status)}`.trim());
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
