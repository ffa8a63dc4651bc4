/** Where a state that was on its way when the directory was closed is found again: a generation above the one in use, which says so. */
import type { Crc32 } from '../base/hash.ts';
import { decodeStaged } from './checkpoint-record.ts';
import type { Disk, StateName } from './disk.ts';
import { generationOf } from './disk.ts';
import { STAGED_KEY } from './keys.ts';
import type { SnapshotOffer } from './storage.ts';

/** A generation that was not whole yet. */
export interface StagedState {
  readonly name: StateName;
  readonly offer: SnapshotOffer;
}

/** The newest generation that can be taken up again; undefined when there is none. Never rejects: what does not read is of no use. */
export async function findStaged(disk: Disk, inUse: StateName, crc32: Crc32): Promise<StagedState | undefined> {
  const name = (await disk.listStates()).at(-1);
  if (name === undefined || (generationOf(name) ?? 0) <= (generationOf(inUse) ?? 0)) return undefined;
  try {
    const database = await disk.openDatabase(name);
    try {
      const value = await database.get(STAGED_KEY);
      return value === undefined ? undefined : { name, offer: decodeStaged(value, crc32) };
    } finally {
      await database.close();
    }
  } catch {
    return undefined;
  }
}
