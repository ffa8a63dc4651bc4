/** Brings the last checkpoint from the state database into memory, a page at a time. */
import type { Crc32 } from '../base/hash.ts';
import { formatHash } from '../base/hash.ts';
import type { Logger } from '../base/logger.ts';
import type { SchedulerLimits } from '../scheduler/limits.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { keyAfter } from '../storage/keys.ts';
import type { StateStorage } from '../storage/storage.ts';

/** Records of one page. The disk is waited for between pages, and others run meanwhile. */
const PAGE_RECORDS = 512;

/**
 * The state of the last checkpoint, verified against its digest; an empty one where there is none.
 * @throws StorageError when a record is damaged, DecodeError when the records are not those of the checkpoint
 */
export async function loadState(
  storage: StateStorage,
  options: { readonly crc32: Crc32; readonly limits: Partial<SchedulerLimits> },
  logger: Logger,
): Promise<Scheduler> {
  const { checkpoint } = storage;
  if (checkpoint === undefined) return new Scheduler(options);
  const loader = Scheduler.loader(options);
  let records = 0;
  let gte: Uint8Array | undefined;
  for (;;) {
    const page = await storage.range({ limit: PAGE_RECORDS, ...(gte === undefined ? {} : { gte }) });
    const last = page.at(-1);
    if (last === undefined) break;
    for (const { key, value } of page) loader.add(key, value);
    records += page.length;
    gte = keyAfter(last.key);
  }
  const { index, logTimeMs, digest } = checkpoint;
  const scheduler = loader.finish({ index, logTimeMs, digest });
  logger.info('checkpoint loaded', { index, records, digest: formatHash(digest) });
  return scheduler;
}
