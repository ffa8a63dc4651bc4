/** The newest stamp that a log holds: no later one may go below it. */
import type { LogIndex, Term } from '../base/ids.ts';
import type { Entry } from '../raft/types.ts';
import { EntryKind } from '../raft/types.ts';
import { BatchReader } from '../scheduler/batch.ts';
import type { LogStorage, RecoveredLog } from '../storage/storage.ts';

/**
 * The stamp of the last batch among `entries`, in ms, and the term of that batch, which the empty entry of a later term may
 * follow; undefined when there is none. @throws DecodeError
 */
export function lastStamp(entries: readonly Entry[]): { readonly ms: number; readonly term: Term } | undefined {
  for (let at = entries.length - 1; at >= 0; at -= 1) {
    const entry = entries[at] as Entry;
    if (entry.kind === EntryKind.command) return { ms: new BatchReader(entry.data).logTimeMs, term: entry.term };
  }
  return undefined;
}

/**
 * The stamp of the last batch of a log behind its checkpoint, in ms; 0 when there is none. What is in memory may end with entries that have none, or
 * hold nothing where the last entry is large, so the disk is read from its end until one is met. @throws StorageError, DecodeError
 */
export async function lastStampOf(
  log: Pick<LogStorage, 'read'>,
  recovered: RecoveredLog,
  checkpointIndex: LogIndex,
): Promise<number> {
  const known = lastStamp(recovered.entries);
  if (known !== undefined) return known.ms;
  const first = Math.max(recovered.firstIndex, checkpointIndex + 1);
  for (let index = recovered.lastIndex - recovered.entries.length; index >= first; index -= 1) {
    const entries = await log.read(index, index, 1);
    if (entries === 'compacted') break;
    const found = lastStamp(entries);
    if (found !== undefined) return found.ms;
  }
  return 0;
}
