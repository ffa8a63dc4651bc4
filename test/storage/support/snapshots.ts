import { peerId } from '../../../src/base/ids.ts';
import { keyAfter } from '../../../src/storage/keys.ts';
import { MemoryPlatter } from '../../../src/storage/memory-disk.ts';
import type {
  Checkpoint,
  LogPosition,
  OpenedStorage,
  SnapshotStaging,
  StateRecord,
} from '../../../src/storage/storage.ts';
import { commands, openPlatter } from './directory.ts';

export function checkpoint(index: number, term: number): Checkpoint {
  return { index, term, logTimeMs: index, configuration: Uint8Array.of(index & 0xff), digest: { high: 1, low: 2 } };
}

/** The records of the state after entry `index`. */
export function recordsAt(index: number): StateRecord[] {
  return [1, 2, 3, 4, 5].map((at) => ({ key: Uint8Array.of(at), value: Uint8Array.of(at, index & 0xff) }));
}

export async function stateOf(storage: OpenedStorage): Promise<string> {
  const found: StateRecord[] = [];
  let gte = Uint8Array.of(0);
  for (;;) {
    const page = await storage.state.range({ gte, limit: 2 });
    found.push(...page);
    const last = page.at(-1);
    if (last === undefined) break;
    gte = Uint8Array.from(keyAfter(last.key));
  }
  const { checkpoint: mark } = storage.state;
  return `${mark?.index ?? 0}: ${found.map(({ key, value }) => `${key.join()}=${value.join('.')}`).join(' ')}`;
}

/** A peer with a log of `last` entries of term 1 and a checkpoint at 4. */
export async function follower(last: number, platter: MemoryPlatter = new MemoryPlatter()): Promise<MemoryPlatter> {
  const storage = await openPlatter(platter);
  await storage.saveFounding({ founded: true, heard: [] });
  await storage.log.append({ hardState: { term: 1, votedFor: peerId('p2') }, entries: commands(1, last, 1) });
  if (last >= 4) {
    const writer = storage.state.beginCheckpoint();
    for (const { key, value } of recordsAt(4)) writer.put(key, value);
    await writer.commit(checkpoint(4, 1));
  }
  await storage.close();
  return platter;
}

/** The position that a peer has whose log is `entries`. */
export async function positionAfter(index: number, term: number): Promise<LogPosition> {
  const storage = await openPlatter(new MemoryPlatter());
  const entries = [...commands(1, Math.min(index, 6), 1), ...commands(7, index, term)];
  await storage.log.append({ hardState: { term, votedFor: undefined }, entries: entries.slice(0, index) });
  return storage.log.positionAt(index);
}

export async function receive(
  staging: SnapshotStaging,
  index: number,
  term: number,
  base?: LogPosition,
): Promise<void> {
  const records = recordsAt(index);
  await staging.add(records.slice(0, 2));
  await staging.add(records.slice(2));
  await staging.finish(checkpoint(index, term), base ?? (await positionAfter(index, term)));
}
