/**
 * Runs this program anew where what it does to the host ends with it: in namespaces of its own for mounts and for the network.
 * Disks that it mounts and rules that it makes are seen by nobody else, and are gone when its last process is, however it ends.
 */
import { spawn, spawnSync } from 'node:child_process';

/** Set in the environment of a program that runs so. */
const MARK = 'TASKRAFT_CHAOS_ISOLATED';

/** With and without being root: in a user namespace anybody is, of what is theirs. */
const WAYS: readonly (readonly string[])[] = [
  ['--mount', '--net', '--propagation', 'private'],
  ['--map-root-user', '--mount', '--net', '--propagation', 'private'],
];

/** Whether this process runs in namespaces of its own. */
export function isIsolated(): boolean {
  return process.env[MARK] === '1';
}

/**
 * Runs this very program with these arguments in namespaces of its own, and ends as it ends. Returns false where the host does
 * not allow that, or where it runs so already.
 */
export async function runIsolated(): Promise<boolean> {
  if (isIsolated()) {
    // Nothing reaches anything in a new namespace before this.
    spawnSync('ip', ['link', 'set', 'lo', 'up']);
    return false;
  }
  const way = WAYS.find((flags) => spawnSync('unshare', [...flags, 'ip', 'link', 'set', 'lo', 'up']).status === 0);
  if (way === undefined) return false;
  const child = spawn('unshare', [...way, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const status = await new Promise<number>((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1));
    child.once('error', () => resolve(1));
  });
  process.exitCode = status;
  return true;
}
