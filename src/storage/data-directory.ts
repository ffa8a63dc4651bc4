import { InvariantError } from '../base/assert.ts';
import type { Term } from '../base/ids.ts';
import { below } from '../base/random.ts';
import type { TermRun } from '../raft/types.ts';
import { BallastKeeper } from './ballast-keeper.ts';
import { decodeBoots } from './boots.ts';
import { readCheckpoint } from './checkpoint-record.ts';
import { damaged, reading, undecodable, unusable } from './damage.ts';
import { DirectoryRepair } from './directory-repair.ts';
import { type ExpectedOwner, findOwner } from './directory-owner.ts';
import type { Database, Disk } from './disk.ts';
import { stateName } from './disk.ts';
import { FailureLatch } from './failure-latch.ts';
import { Head } from './head.ts';
import { type FoundHead, sharedByHead } from './head-recovery.ts';
import { decodeFounding, NOT_FOUNDED } from './identity.ts';
import { BOOTS_KEY, FOUNDING_KEY } from './keys.ts';
import { LogCodec } from './log-record.ts';
import { type ScannedLog, scanLog } from './log-recovery.ts';
import { DatabaseLog } from './log-storage.ts';
import { OpenDatabases } from './open-databases.ts';
import { OpenedDirectory } from './opened-directory.ts';
import { DatabaseState } from './state-storage.ts';
import type { Checkpoint, Founding, HeardBoot, OpenedStorage, RecoveredLog } from './storage.ts';
import { findStaged } from './staged.ts';
import { StorageError } from './storage-error.ts';

/** Whose directory is expected, and what the storage is made of. */
export interface DataDirectoryOptions extends ExpectedOwner {
  /**
   * What to take for granted where the directory does not know it by itself, since `OpenedStorage.saveShared` was never called: true
   * when other peers have what this one has. Then damage is cut out, recorded, and left to them to refill. A cluster of
   * one has no other copy, and refuses to open what is damaged, so that nothing is thrown away that may be saved. Default
   * false.
   */
  readonly repairable?: boolean;
  /**
   * Memory of the newest entries to hand to the Raft core at start; what is older is read when it is asked for. Few are: they would
   * stay in memory for nobody, and the memory of a process that is killed is given back before its connections close, so that
   * others hear of its end the later the more it had. Default 4 MiB.
   */
  readonly recoveredBytesMax?: number;
  /**
   * Size of the ballast; less where that would be more than an eighth of what is free, 0 for none. It should hold what
   * LevelDB copies when it opens a log and a state, 48 MiB at most. Default 64 MiB.
   */
  readonly ballastBytes?: number;
}

const MIB = 1024 * 1024;
const RECOVERED_BYTES_MAX = 4 * MIB;
const BALLAST_BYTES = 64 * MIB;

/**
 * Opens everything in `disk` for one peer, or makes it where there is nothing: takes the lock, finds out whose it is,
 * then HEAD, the log and the state, each checked by itself and against the others. Owns `disk` from the call on, and
 * closes it when opening fails.
 *
 *     examine ──whole──▶ opened
 *        ▲ └──damaged──▶ repair (see `DirectoryRepair`), where others have what is missing
 *        └─────────────────┘
 *
 * The first start writes in the order HEAD, identity in the log, identity in the state, each synced, and may be cut short
 * anywhere: the next start goes on with the incarnation that it finds. So may a repair.
 *
 * @throws StorageError with every code; with `LOG_DAMAGED`, `LOG_TAIL_LOST`, `META_DAMAGED`, `STATE_DAMAGED` and
 *   `IDENTITY_DAMAGED` only when no other peer has a copy, or when a repair does not last
 */
export async function openDataDirectory(disk: Disk, options: DataDirectoryOptions): Promise<OpenedStorage> {
  try {
    return await openWithRoom(disk, options);
  } catch (error) {
    await disk.close().catch(() => undefined);
    if (error instanceof StorageError || error instanceof InvariantError) throw error;
    throw unusable(disk.location, error);
  }
}

/** Opening copies what LevelDB has in its log: where there is no room for that, the ballast is for it. */
async function openWithRoom(disk: Disk, options: DataDirectoryOptions): Promise<OpenedStorage> {
  const ballastBytes = (await disk.ballastBytes()) ?? 0;
  try {
    return await openRepaired(disk, options);
  } catch (error) {
    const full = error instanceof StorageError ? error : unusable(disk.location, error);
    if (error instanceof InvariantError || full.code !== 'NO_SPACE') throw error;
    if (ballastBytes === 0) throw full;
    await disk.releaseBallast();
    return openRepaired(disk, options);
  }
}

async function openRepaired(disk: Disk, options: DataDirectoryOptions): Promise<OpenedStorage> {
  const repair = new DirectoryRepair(disk, options);
  for (;;) {
    const opening = new Opening(disk, options, repair.notes);
    try {
      return await opening.run();
    } catch (error) {
      await opening.abandon();
      if (!(error instanceof StorageError)) throw error;
      const isRepairable = (await sharedByHead(disk, options.crc32)) ?? options.repairable === true;
      if (!isRepairable) throw error;
      await repair.repair(error);
    }
  }
}

class Opening {
  readonly #disk: Disk;
  readonly #options: DataDirectoryOptions;
  readonly #databases: OpenDatabases;
  readonly #repairNotes: readonly string[];

  constructor(disk: Disk, options: DataDirectoryOptions, repairNotes: readonly string[]) {
    this.#disk = disk;
    this.#options = options;
    this.#databases = new OpenDatabases(disk, options.crc32);
    this.#repairNotes = repairNotes;
  }

  async run(): Promise<OpenedStorage> {
    const { location } = this.#disk;
    const { crc32 } = this.#options;
    const databases = this.#databases;
    const generation = await databases.open();
    const { identity, found, notes } = await findOwner(this.#disk, databases, this.#options);
    const written = await readCheckpoint(databases.get('state'), crc32, location);
    const checkpoint = written?.checkpoint;
    const isRepairable = found.record.shared ?? this.#options.repairable === true;
    if (checkpoint !== undefined && found.record.stateDistrusted) {
      throw damaged('STATE_DAMAGED', location, 'the state was found to differ from that of other peers');
    }
    const codec = new LogCodec(crc32);
    const budgetBytes = this.#options.recoveredBytesMax ?? RECOVERED_BYTES_MAX;
    const scanContext = { database: databases.get('log'), codec, head: found.record, location };
    const scanned = await reading('log', location, () => scanLog(scanContext, budgetBytes, generation.resetTo));
    const stateMissing = checkpoint === undefined && scanned.meta.base.index > 0;
    if (!stateMissing || !isRepairable) checkCheckpoint(checkpoint, scanned, location);
    const founding = await reading('log', location, () => this.#readFounding(scanned, isRepairable));
    const heard = await this.#readBoots();
    const ballast = new BallastKeeper(this.#disk, this.#options.ballastBytes ?? BALLAST_BYTES);
    const latch = new FailureLatch(location, () => ballast.release());
    const head = new Head(this.#disk, crc32, latch, found);
    await raiseHead(head, found, scanned);
    const inUse = stateName(generation.number);
    const staged = await findStaged(this.#disk, inUse, crc32);
    const leftNotes = await this.#removeLeftovers([inUse, staged?.name]);
    const logContext = { database: databases.get('log'), codec, crc32, head, latch, location };
    return new OpenedDirectory({
      disk: this.#disk,
      logDatabase: databases.get('log'),
      stateDatabase: databases.get('state'),
      stateName: inUse,
      staged,
      crc32,
      latch,
      head,
      ballast,
      identity,
      founding,
      heardBoots: heard.boots,
      bootMark: 1 + below(this.#options.random, 2 ** 32 - 1),
      recovered: recoveredLog(scanned),
      log: new DatabaseLog(logContext, scanned, generation.resetTo),
      state: new DatabaseState({ database: databases.get('state'), crc32, latch, location }, written),
      stateMissing,
      notes: [...this.#repairNotes, ...notes, ...heard.notes, ...leftNotes],
    });
  }

  /** Lets go of the databases after a failure, whose error is the one to tell. */
  async abandon(): Promise<void> {
    await this.#databases.close();
  }

  async #readFounding(scanned: ScannedLog, isRepairable: boolean): Promise<Founding> {
    const { location } = this.#disk;
    const database: Database = this.#databases.get('log');
    const value = await database.get(FOUNDING_KEY);
    if (value === undefined) {
      // It is written before the first vote.
      const lived = scanned.meta.last.index > 0 || scanned.meta.hardState.term > 0;
      if (!lived || !isRepairable) return NOT_FOUNDED;
      throw damaged('IDENTITY_DAMAGED', location, 'the record of the founding is missing');
    }
    try {
      return decodeFounding(value, this.#options.crc32);
    } catch (error) {
      throw undecodable(error, 'IDENTITY_DAMAGED', location, 'the record of the founding');
    }
  }

  /** What is known of others. Where it does not read it is gone, and said; nothing else rests on it. */
  async #readBoots(): Promise<{ readonly boots: HeardBoot[]; readonly notes: string[] }> {
    const { location } = this.#disk;
    const value = await reading('log', location, () => this.#databases.get('log').get(BOOTS_KEY));
    if (value === undefined) return { boots: [], notes: [] };
    try {
      return { boots: decodeBoots(value, this.#options.crc32), notes: [] };
    } catch (error) {
      const what = 'the record of what was heard of other directories';
      const finding = undecodable(error, 'LOG_DAMAGED', location, what);
      if (finding.code === 'FORMAT_UNKNOWN') throw finding;
      return { boots: [], notes: [`${finding.finding}; it is heard again`] };
    }
  }

  /** Generations of the state that are not of use: an unfinished snapshot, or the state before an installed one. */
  async #removeLeftovers(kept: readonly (string | undefined)[]): Promise<string[]> {
    const notes: string[] = [];
    for (const name of await this.#disk.listStates()) {
      if (kept.includes(name)) continue;
      try {
        await this.#disk.removeDatabase(name);
      } catch (error) {
        notes.push(
          `${this.#disk.location}: ${name}, which is not in use any more, cannot be removed (${String(error)})`,
        );
      }
    }
    return notes;
  }
}

/** A checkpoint lies within the log: replay starts behind it, and it never includes what was not durable. */
function checkCheckpoint(checkpoint: Checkpoint | undefined, scanned: ScannedLog, location: string): void {
  const { base, last } = scanned.meta;
  const index = checkpoint?.index ?? 0;
  if (index < base.index) {
    const what =
      checkpoint === undefined
        ? `the state database is empty, and the Raft log begins only at entry ${base.index + 1}`
        : `the state database ends with entry ${index}, and the Raft log begins only at entry ${base.index + 1}`;
    throw damaged('STATE_DAMAGED', location, what, { logCompacted: true });
  }
  if (index > last.index) {
    const what = `the Raft log ends with entry ${last.index} although the state includes entries up to ${index}`;
    throw damaged('LOG_TAIL_LOST', location, what, { index: last.index + 1 });
  }
  const term = index === base.index ? base.term : termAt(scanned.termRuns, index);
  if (checkpoint !== undefined && checkpoint.term !== term) {
    const what = `the state includes entry ${index} of term ${checkpoint.term}, and the Raft log has it of term ${term}`;
    throw damaged('STATE_DAMAGED', location, what);
  }
}

function recoveredLog({ meta, termRuns, entries, configurations }: ScannedLog): RecoveredLog {
  return {
    hardState: meta.hardState,
    firstIndex: meta.base.index + 1,
    lastIndex: meta.last.index,
    prevTerm: meta.base.term,
    termRuns,
    entries,
    configurations,
  };
}

function termAt(termRuns: readonly TermRun[], index: number): Term {
  let term = 0;
  for (const run of termRuns) if (run.index <= index) term = run.term;
  return term;
}

/**
 * Brings HEAD up to what was found, since from now on this peer acknowledges it, and counts the start. Both slots are written, a
 * damaged one too: whichever of them rots later, the other one knows of every start that somebody may have heard of.
 */
async function raiseHead(head: Head, found: FoundHead, scanned: ScannedLog): Promise<void> {
  const { last, hardState } = scanned.meta;
  head.write({
    hardState,
    lastIndex: last.index,
    lastTerm: last.term,
    chain: last.chain,
    entryTerm: Math.max(found.record.entryTerm, last.term),
    boot: found.record.boot + 1,
    stateDistrusted: false,
  });
  await head.sync();
  head.write({});
  await head.sync();
}
