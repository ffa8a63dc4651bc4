/** Brings the last checkpoint from the state database into memory, a page at a time. */
import { InvariantError } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { Clock, Timers } from '../base/clock.ts';
import type { Crc32 } from '../base/hash.ts';
import { formatHash } from '../base/hash.ts';
import type { Logger } from '../base/logger.ts';
import type { SchedulerLimits } from '../scheduler/limits.ts';
import type { SchedulerLoader } from '../scheduler/scheduler.ts';
import { BODY_TABLE_IDS_FROM, Scheduler } from '../scheduler/scheduler.ts';
import { keyAfter } from '../storage/keys.ts';
import type { StateRecord, StateStorage } from '../storage/storage.ts';

/** Records of one page. The disk is waited for between pages, and others run meanwhile. */
const PAGE_RECORDS = 512;

/** What a loader does between two looks at the clock, in small records. */
const STEP_RECORDS = 1_024;

/** The lowest key, and the key at which the bodies of blocks and payloads begin. */
const FIRST_KEY: Uint8Array = Uint8Array.of(0);
const BODIES_FROM: Uint8Array = Uint8Array.of(BODY_TABLE_IDS_FROM);

/** How loading shares the event loop with others. */
export interface LoadPace {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Holds the event loop for no longer than this at a time, in ms. */
  readonly sliceMs: number;
}

/**
 * The state of the last checkpoint, verified against its digest; an empty one where there is none.
 * @throws StorageError when a record is damaged, DecodeError when the records are not those of the checkpoint
 */
export async function loadState(
  storage: StateStorage,
  options: { readonly crc32: Crc32; readonly limits: Partial<SchedulerLimits> },
  logger: Logger,
  pace: LoadPace,
): Promise<Scheduler> {
  const { checkpoint } = storage;
  if (checkpoint === undefined) return new Scheduler(options);
  const loader = Scheduler.loader(options);
  let records = 0;
  let gte = FIRST_KEY;
  for (;;) {
    const page = await storage.range({ gte, lt: BODIES_FROM, limit: PAGE_RECORDS });
    const last = page.at(-1);
    if (last === undefined) break;
    putIn(loader, page);
    records += page.length;
    gte = keyAfter(last.key);
  }
  // Blocks of finished tasks stay on disk, but for the few that are still being filled.
  for (const key of loader.missing()) {
    const value = await storage.get(key);
    if (value !== undefined) putIn(loader, [{ key, value }]);
  }
  await settleLoader(loader, pace);
  const { index, logTimeMs, digest } = checkpoint;
  const scheduler = whole(() => loader.finish({ index, logTimeMs, digest }));
  logger.info('checkpoint loaded', { index, records, digest: formatHash(digest) });
  return scheduler;
}

/** Has `loader` put together what it was given, a slice at a time. @throws DecodeError when the records contradict each other */
export async function settleLoader(loader: SchedulerLoader, pace: LoadPace): Promise<void> {
  let endMs = pace.clock.monotonicMs() + pace.sliceMs;
  while (!whole(() => loader.settle(STEP_RECORDS))) {
    if (pace.clock.monotonicMs() < endMs) continue;
    await new Promise<void>((resolve) => {
      pace.timers.soon(resolve);
    });
    endMs = pace.clock.monotonicMs() + pace.sliceMs;
  }
}

/** Gives `records` to `loader`. @throws DecodeError when they do not read, or contradict each other */
export function putIn(loader: SchedulerLoader, records: Iterable<StateRecord>): void {
  whole(() => {
    for (const { key, value } of records) loader.add(key, value);
  });
}

/**
 * Runs a step of putting a state together. Each record is checked by itself where it is read; where some are of an earlier checkpoint,
 * since the disk has lost what was written over them, a promise of the state breaks, and not by a mistake of ours.
 */
export function whole<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    throw new DecodeError(`the records contradict each other: ${error.message}`);
  }
}
