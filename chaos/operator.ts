/** What an operator does with a cluster from the command line, done by the run. */
import { spawn } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pause, sharedClockMs } from './clock.ts';
import type { ChaosCluster } from './cluster.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
/** How long a command is repeated that finds no leader, or loses it, in ms. */
const PATIENCE_MS = 90_000;
const AGAIN_MS = 300;
/** Exit status of commands for what may succeed later: no leader, no peer, no room. */
const UNAVAILABLE = 6;
/** Refusals that say of themselves that they pass: members that are not connected right now, or another change under way. */
const PASSES = /\((?:QUORUM_AT_RISK|CHANGE_PENDING|NOT_CAUGHT_UP|NOT_READY)\)/;

/** Runs `taskraft ARGS`, again while nobody leads or the cluster is not ready for it. @throws with what it said, when it fails for another reason */
export async function taskraft(cluster: ChaosCluster, args: readonly string[]): Promise<void> {
  const endMs = sharedClockMs() + PATIENCE_MS;
  for (;;) {
    const { status, said } = await run(cluster, [...args, '--url', cluster.urls.join(','), '--timeout', '15s']);
    if (status === 0) return;
    const passes = status === UNAVAILABLE || PASSES.test(said);
    if (!passes || sharedClockMs() > endMs)
      throw new Error(`taskraft ${args.join(' ')} ended with ${status}: ${said.trim()}`);
    await pause(AGAIN_MS);
  }
}

/** Moves the data directory of a peer that does not run away, starts it as a new one and puts that in its place. */
export async function replacePeer(cluster: ChaosCluster, id: string): Promise<void> {
  const directory = cluster.dataOf(id);
  rmSync(`${directory}.before`, { recursive: true, force: true });
  renameSync(directory, `${directory}.before`);
  await cluster.startPeer(id);
  await taskraft(cluster, ['cluster', 'replace', id, '--wait-timeout', '60s']);
}

function run(
  cluster: ChaosCluster,
  args: readonly string[],
): Promise<{ readonly status: number | null; readonly said: string }> {
  const { TASKRAFT_CLIENT_TOKEN: token } = cluster.environment;
  const [command = process.execPath, ...rest] = [...cluster.network.loadPrefix, process.execPath, MAIN, ...args];
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(token === undefined ? {} : { TASKRAFT_TOKEN: token }) },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  return new Promise((resolve) => {
    child.once('close', (status) => resolve({ status, said }));
    child.once('error', (error) => resolve({ status: null, said: String(error) }));
  });
}
