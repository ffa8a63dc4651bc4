import { describe, expect, test } from 'vitest';
import { Compaction } from '../../src/peer/compaction.ts';
import { tailAges } from '../../src/peer/tail-ages.ts';
import { type Entry, EntryKind } from '../../src/raft/types.ts';
import { BatchWriter } from '../../src/scheduler/batch.ts';

type Log = Parameters<typeof tailAges>[0];

const NOW_MS = 1_000_000_000;
const MINUTE_MS = 60_000;

/** A log from `firstIndex` on with a batch that is as many ms old as `ages` says, or an empty entry where it says nothing. */
function logOf(firstIndex: number, ages: readonly (number | undefined)[]): Log {
  const entries = ages.map((ageMs, at): Entry => {
    const at1 = { index: firstIndex + at, term: 1 };
    if (ageMs === undefined) return { ...at1, kind: EntryKind.noop, data: new Uint8Array(0) };
    const batch = new BatchWriter();
    batch.begin();
    return { ...at1, kind: EntryKind.command, data: batch.finish(NOW_MS - ageMs) };
  });
  return {
    firstIndex,
    lastIndex: firstIndex + entries.length - 1,
    read: (from, to) => Promise.resolve(entries.slice(from - firstIndex, to + 1 - firstIndex)),
  };
}

function agesOf(log: Log, index: number, ageMs: number): ReturnType<typeof tailAges> {
  return tailAges(log, { index, logTimeMs: NOW_MS - ageMs }, NOW_MS);
}

describe('the tail that a process finds', () => {
  test('is as old as the stamps in it, the checkpoint last', async () => {
    const log = logOf(5, [9_000, undefined, 7_000, 2_000]);
    expect(await agesOf(log, 8, 1_500)).toEqual([
      { index: 5, ageMs: 9_000 },
      { index: 7, ageMs: 7_000 },
      { index: 8, ageMs: 1_500 },
    ]);
  });

  test('is of no age without a checkpoint, and nothing of it is younger than what lies behind it or comes from the future', async () => {
    const log = logOf(1, [5_000, 8_000, -3_000]);
    expect(await tailAges(log, undefined, NOW_MS)).toEqual([]);
    expect(await agesOf(log, 3, -2_000)).toEqual([
      { index: 1, ageMs: 5_000 },
      { index: 2, ageMs: 5_000 },
      { index: 3, ageMs: 0 },
    ]);
  });

  test('is looked at in few places, however long it is, and only as far as it goes', async () => {
    const long = logOf(
      1,
      Array.from({ length: 1_000 }, (_, at) => 1_000_000 - at),
    );
    const cuts = await agesOf(long, 900, 10);
    expect(cuts.length).toBeLessThanOrEqual(17);
    expect(cuts.at(-1)).toEqual({ index: 900, ageMs: 10 });
    // A state from another peer may be ahead of the log.
    expect(await agesOf(logOf(5, []), 20, 10)).toEqual([{ index: 20, ageMs: 10 }]);
    expect((await agesOf(logOf(5, [9_000]), 20, 10)).map(({ index }) => index)).toEqual([5, 20]);
  });

  test('goes when it is ten minutes old, however often a process began anew in that time', async () => {
    const log = logOf(
      1,
      Array.from({ length: 30 }, (_, at) => (30 - at) * MINUTE_MS),
    );
    const compaction = new Compaction(1_000_000, 10 * MINUTE_MS);
    for (const { index, ageMs } of await agesOf(log, 30, 0)) compaction.marked(index, -ageMs);
    const bounds = { nowMs: 0, checkpointIndex: 30, followedIndex: 30, holdBytes: 0, bytesFrom: () => 0 };
    const first = compaction.firstIndexToKeep(bounds);
    expect(first).toBeGreaterThan(18);
    expect(first).toBeLessThan(23);
  });
});
