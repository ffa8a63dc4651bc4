/** The disk of one peer has no room left, and gets some again. The disk is a small tmpfs, and what fills it a file of ours. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { below } from '../../src/base/random.ts';
import type { ChaosCluster } from '../cluster.ts';
import { pause } from '../clock.ts';
import type { Fault } from './fault.ts';

/** Of the disk: room enough that a peer does not call it low by itself. */
const DISK_BYTES = 1_536 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const SMALLEST_CHUNK_BYTES = 4096;

/** Peers whose data lies on a disk of ours, with where that is mounted. */
const mounts = new WeakMap<ChaosCluster, Map<string, string>>();

/** Gives a peer such a disk, before its first start. False where disks cannot be mounted. */
export function mountDisk(cluster: ChaosCluster, id: string): boolean {
  const at = path.join(cluster.directory, `disk-of-${id}`);
  mkdirSync(at, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', at]);
  if (mounted.status !== 0) return false;
  const ofCluster = mounts.get(cluster) ?? new Map<string, string>();
  mounts.set(cluster, ofCluster.set(id, at));
  cluster.setDirectory(id, path.join(at, 'data'));
  return true;
}

/** Takes all disks of a cluster away, when its processes are gone. */
export function unmountDisks(cluster: ChaosCluster): void {
  for (const at of mounts.get(cluster)?.values() ?? []) spawnSync('umount', ['-l', at]);
}

/** See the head of this file. */
export const fullDisk: Fault = {
  name: 'full-disk',
  kind: 'process',
  unavailable: (cluster) => (mounts.has(cluster) ? undefined : 'a tmpfs cannot be mounted here'),
  async run(context) {
    const { cluster, random, say } = context;
    for (const [id, at] of mounts.get(cluster) ?? []) {
      const leader = await cluster.untilLeader();
      const lengthMs = 3_000 + below(random, 4_000);
      say(`the disk of ${id}${id === leader.peer ? ', which leads,' : ''} is full for ${lengthMs} ms`);
      context.count('full disks');
      const filler = path.join(at, 'filler');
      fill(filler);
      await pause(lengthMs / 2);
      // Whatever was given back meanwhile is taken as well.
      fill(filler);
      await pause(lengthMs / 2);
      rmSync(filler);
      if (!cluster.process(id).running) context.count('peers that ended on a full disk');
      await cluster.ensureRunning(id);
      await cluster.untilWhole();
      say(`the disk of ${id} has room again, and the cluster is whole`);
    }
  },
};

/** Writes until nothing more fits. */
function fill(file: string): void {
  const descriptor = openSync(file, 'a', 0o600);
  const zeros = new Uint8Array(CHUNK_BYTES);
  for (let size = CHUNK_BYTES; size >= SMALLEST_CHUNK_BYTES; size /= 2) {
    try {
      for (;;) writeSync(descriptor, zeros, 0, size);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
  }
  closeSync(descriptor);
}
