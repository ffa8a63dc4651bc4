import { assert } from '../base/assert.ts';
import type { Core } from './core.ts';
import type { FetchRequest } from './ready.ts';
import { fetchForPeer } from './replication.ts';
import type { Entry } from './types.ts';

const NOTHING: readonly never[] = [];

/** True when committed entries can be given to the host. */
export function canApply(core: Core): boolean {
  const { applying, log, persistence } = core;
  if (core.stateMissing) return false;
  if (applying.fetchedCount > 0) return true;
  if (applying.roomBytes <= 0 || applying.handedIndex >= Math.min(core.commitIndex, persistence.durableIndex))
    return false;
  return applying.handedIndex + 1 >= log.memoryFirst || core.fetchInFlight === undefined;
}

/** The committed entries that the host is to apply now. */
export function takeCommitted(core: Core): readonly Entry[] {
  if (!canApply(core)) return NOTHING;
  const { applying, log } = core;
  let entries: readonly Entry[] = applying.takeFetched();
  if (entries.length === 0 && applying.handedIndex + 1 >= log.memoryFirst) {
    const to = Math.min(core.commitIndex, core.persistence.durableIndex);
    entries = log.slice(applying.handedIndex + 1, to, applying.roomBytes);
  }
  if (entries.length > 0) applying.handOut(entries, core.term);
  return entries;
}

/** The next read from storage. Entries to apply are asked for first: they are old only after a start. */
export function takeFetch(core: Core): FetchRequest | undefined {
  if (core.fetchInFlight !== undefined) return undefined;
  const { applying, log, role } = core;
  const from = applying.handedIndex + 1;
  const to = Math.min(core.commitIndex, core.persistence.durableIndex, log.memoryFirst - 1);
  if (from <= to && applying.roomBytes > 0 && applying.fetchedCount === 0 && !core.stateMissing) {
    core.fetchSequence += 1;
    const maxBytes = applying.roomBytes;
    core.fetchInFlight = { sequence: core.fetchSequence, from, to, maxBytes, forPeer: undefined };
  } else if (role.name === 'leader') {
    core.fetchInFlight = fetchForPeer(core, role);
  }
  return core.fetchInFlight;
}

/** True when a follower needs entries from storage. */
export function fetchWaits(core: Core): boolean {
  return core.role.name === 'leader' && core.role.peers.some((progress) => progress.fetchDue);
}

/** What storage gives is what the log had: the terms are known. */
export function checkFetched(core: Core, request: FetchRequest, entries: readonly Entry[]): void {
  // What a follower was to get may have been cut since, all of it.
  const least = request.forPeer === undefined ? 1 : 0;
  assert(
    entries.length >= least && entries.length <= request.to - request.from + 1,
    'a fetch is answered by at least one entry',
  );
  for (const [at, entry] of entries.entries()) {
    assert(entry.index === request.from + at, 'fetched entries are contiguous');
    if (entry.index < core.log.firstIndex) continue;
    // What was read for a follower may have been overwritten since, by another leader; what is committed may not.
    assert(
      request.forPeer !== undefined || core.log.matches(entry.index, entry.term),
      'a fetched entry is the one of the log',
    );
  }
}
