/**
 * What changes how entries are applied, a mended mistake included, comes with a level: it is switched on by an entry of the
 * log once every voter runs a version that knows it, so that all peers do the same from the same entry on.
 *
 * History: 0, the first version. 1, entries that change the configuration. 2, schedules. 3, tasks that are due far ahead leave memory.
 */
import { ByteReader, DecodeError } from '../base/bytes.ts';

/** The newest level that this version knows. */
export const FEATURE_LEVEL = 3;

/** From this level on the members of the cluster can be changed. */
export const FEATURE_MEMBERSHIP = 1;

/** From this level on the log may hold commands about schedules. */
export const FEATURE_SCHEDULES = 2;

/** From this level on tasks that are due far ahead leave memory. */
export const FEATURE_FAR = 3;

/** The level that an entry of kind `feature` switches on. @throws DecodeError when it is one that this version does not know */
export function readFeature(data: Uint8Array): number {
  const reader = new ByteReader(data);
  const level = reader.u32();
  reader.end();
  const problem = featureProblem(level);
  if (problem !== undefined) throw new DecodeError(problem);
  return level;
}

/** Why this version can take no part once `level` is on; undefined when it can. */
export function featureProblem(level: number): string | undefined {
  if (level <= FEATURE_LEVEL) return undefined;
  return `the cluster has switched on features of level ${level}, and this version of Taskraft knows level ${FEATURE_LEVEL}: install a newer one`;
}
