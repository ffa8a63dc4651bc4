/**
 * How old the parts of a log are that a process finds when it starts. The tail that is kept for followers that come back is
 * bounded in time; were its age counted anew by each process, a peer that starts every few minutes would keep all of it, up to
 * the bound in bytes, and read all of it at each start.
 */
import type { LogIndex } from '../base/ids.ts';
import { EntryKind } from '../raft/types.ts';
import { BatchReader } from '../scheduler/batch.ts';
import type { Checkpoint, LogStorage } from '../storage/storage.ts';

/** A place where the log may be cut, and how long before its newest batch it was written, in ms. */
export interface AgedCut {
  readonly index: LogIndex;
  readonly ageMs: number;
}

/** Places looked at in the log before the checkpoint. */
const SAMPLES_MAX = 16;

/**
 * Places in the log up to the checkpoint, ascending in index and descending in age, the checkpoint last. The age is by stamps alone: how
 * far `newestMs`, that of the log's last batch, is past the one there, at least 0. What a clock says now would count the time in which
 * nobody ran, and the log of a cluster that was off for a night would go before those that miss the end of it could ask. Empty without
 * a checkpoint. @throws StorageError, DecodeError
 */
export async function tailAges(
  log: Pick<LogStorage, 'firstIndex' | 'lastIndex' | 'read'>,
  checkpoint: Pick<Checkpoint, 'index' | 'logTimeMs'> | undefined,
  newestMs: number,
): Promise<readonly AgedCut[]> {
  if (checkpoint === undefined) return [];
  const cuts: { index: LogIndex; ageMs: number }[] = [];
  const first = log.firstIndex;
  const last = Math.min(checkpoint.index, log.lastIndex + 1);
  const step = Math.max(1, Math.ceil((last - first) / SAMPLES_MAX));
  for (let index = first; index < last; index += step) {
    const read = await log.read(index, index, 1);
    const entry = read === 'compacted' ? undefined : read[0];
    if (entry?.kind !== EntryKind.command) continue;
    cuts.push({ index, ageMs: newestMs - new BatchReader(entry.data).logTimeMs });
  }
  cuts.push({ index: checkpoint.index, ageMs: newestMs - checkpoint.logTimeMs });
  // Nothing is older than what was written before it, whatever the clocks of two leaders said.
  let oldestMs = Number.MAX_SAFE_INTEGER;
  for (const cut of cuts) {
    oldestMs = Math.min(oldestMs, Math.max(0, cut.ageMs));
    cut.ageMs = oldestMs;
  }
  return cuts;
}
