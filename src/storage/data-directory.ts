import { assert } from '../base/assert.ts';
import { type Crc32, sameHash } from '../base/hash.ts';
import type { Term } from '../base/ids.ts';
import type { TermRun } from '../raft/types.ts';
import type { Database, DatabaseName, Disk } from './disk.ts';
import { type ExpectedOwner, findOwner, type OpenDatabases } from './directory-owner.ts';
import { FailureLatch } from './failure-latch.ts';
import { Head } from './head.ts';
import type { FoundHead } from './head-recovery.ts';
import { decodeFounding, encodeFounding, NOT_FOUNDED } from './identity.ts';
import { FOUNDING_KEY } from './keys.ts';
import { LogCodec } from './log-record.ts';
import { damaged, reading, undecodable } from './damage.ts';
import { type ScannedLog, scanLog } from './log-recovery.ts';
import { DatabaseLog } from './log-storage.ts';
import { DatabaseState, readCheckpoint } from './state-storage.ts';
import type { Checkpoint, Founding, Identity, OpenedStorage, RecoveredLog } from './storage.ts';
import type { StorageError } from './storage-error.ts';

/** Whose directory is expected, and what the storage is made of. */
export interface DataDirectoryOptions extends ExpectedOwner {
  /** Data of the newest entries to hand to the Raft core at start. Default 64 MiB. */
  readonly entriesInMemoryBytes?: number;
}

const ENTRIES_IN_MEMORY_BYTES = 64 * 1024 * 1024;

/**
 * Opens everything in `disk` for one peer, or makes it where there is nothing: takes the lock, finds out whose it is,
 * then HEAD, the log and the state, each checked by itself and against the others. Owns `disk` from the call on, and
 * closes it when opening fails.
 *
 * The first start writes in the order HEAD, identity in the log, identity in the state, each synced, and may be cut short
 * anywhere: the next start goes on with the incarnation that it finds.
 *
 * @throws StorageError with every code but `STORAGE_FAILED`
 */
export async function openDataDirectory(disk: Disk, options: DataDirectoryOptions): Promise<OpenedStorage> {
  const opening = new Opening(disk, options);
  try {
    return await opening.run();
  } catch (error) {
    await opening.abandon();
    throw error;
  }
}

class Opening {
  readonly #disk: Disk;
  readonly #options: DataDirectoryOptions;
  readonly #databases = new Map<DatabaseName, Database>();

  constructor(disk: Disk, options: DataDirectoryOptions) {
    this.#disk = disk;
    this.#options = options;
  }

  async run(): Promise<OpenedStorage> {
    const { location } = this.#disk;
    const { crc32 } = this.#options;
    await this.#open('log');
    await this.#open('state');
    const { identity, found, notes } = await findOwner(this.#disk, this.#access(), this.#options);
    const latch = new FailureLatch(location);
    const codec = new LogCodec(crc32);
    const budgetBytes = this.#options.entriesInMemoryBytes ?? ENTRIES_IN_MEMORY_BYTES;
    const scanned = await reading('log', location, () =>
      scanLog(this.#database('log'), codec, found.record, location, budgetBytes),
    );
    const stateContext = { database: this.#database('state'), crc32, latch, location };
    const checkpoint = await readCheckpoint(stateContext);
    checkCheckpoint(checkpoint, scanned, location);
    const founding = await reading('log', location, () => this.#readFounding());
    const head = new Head(this.#disk, crc32, latch, found);
    await raiseHead(head, found, scanned);
    return new OpenedDirectory({
      disk: this.#disk,
      databases: [this.#database('log'), this.#database('state')],
      crc32,
      latch,
      head,
      identity,
      founding,
      recovered: recoveredLog(scanned),
      log: new DatabaseLog({ database: this.#database('log'), codec, head, latch, location }, scanned),
      state: new DatabaseState(stateContext, checkpoint),
      notes,
    });
  }

  /** Lets go of everything after a failure, whose error is the one to tell. */
  async abandon(): Promise<void> {
    for (const database of this.#databases.values()) await database.close().catch(() => undefined);
    await this.#disk.close().catch(() => undefined);
  }

  async #open(name: DatabaseName): Promise<void> {
    this.#databases.set(name, await this.#disk.openDatabase(name));
  }

  #access(): OpenDatabases {
    return {
      get: (name) => this.#database(name),
      reopen: async (name) => {
        await this.#database(name).close();
        this.#databases.delete(name);
        await this.#open(name);
      },
    };
  }

  #database(name: DatabaseName): Database {
    const database = this.#databases.get(name);
    assert(database !== undefined, 'databases are opened before they are used');
    return database;
  }

  async #readFounding(): Promise<Founding> {
    const value = await this.#database('log').get(FOUNDING_KEY);
    if (value === undefined) return NOT_FOUNDED;
    try {
      return decodeFounding(value, this.#options.crc32);
    } catch (error) {
      throw undecodable(error, 'IDENTITY_DAMAGED', this.#disk.location, 'the record of the founding');
    }
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

function recoveredLog({ meta, termRuns, entries }: ScannedLog): RecoveredLog {
  return {
    hardState: meta.hardState,
    firstIndex: meta.base.index + 1,
    lastIndex: meta.last.index,
    prevTerm: meta.base.term,
    termRuns,
    entries,
    lowestMatchIndex: meta.lowestMatchIndex,
  };
}

function termAt(termRuns: readonly TermRun[], index: number): Term {
  let term = 0;
  for (const run of termRuns) if (run.index <= index) term = run.term;
  return term;
}

/** Brings HEAD up to what was found: from now on this peer acknowledges it. Also writes a damaged slot anew. */
async function raiseHead(head: Head, found: FoundHead, scanned: ScannedLog): Promise<void> {
  const { last, hardState } = scanned.meta;
  const { record } = found;
  const same =
    record.lastIndex === last.index &&
    sameHash(record.chain, last.chain) &&
    record.hardState.term === hardState.term &&
    record.hardState.votedFor === hardState.votedFor;
  if (same && !found.otherDamaged) return;
  head.write({ hardState, lastIndex: last.index, lastTerm: last.term, chain: last.chain });
  await head.sync();
}

interface Parts {
  readonly disk: Disk;
  readonly databases: readonly Database[];
  readonly crc32: Crc32;
  readonly latch: FailureLatch;
  readonly head: Head;
  readonly identity: Identity;
  readonly founding: Founding;
  readonly recovered: RecoveredLog;
  readonly log: DatabaseLog;
  readonly state: DatabaseState;
  readonly notes: readonly string[];
}

class OpenedDirectory implements OpenedStorage {
  readonly #parts: Omit<Parts, 'recovered' | 'founding'>;
  #founding: Founding;
  /** Let go of when it is taken: it holds megabytes of entries. */
  #recovered: RecoveredLog | undefined;
  #closing: Promise<void> | undefined;

  constructor({ recovered, founding, ...parts }: Parts) {
    this.#parts = parts;
    this.#recovered = recovered;
    this.#founding = founding;
  }

  takeRecovered(): RecoveredLog {
    const recovered = this.#recovered;
    assert(recovered !== undefined, 'what was recovered is taken once');
    this.#recovered = undefined;
    return recovered;
  }

  get identity(): Identity {
    return this.#parts.identity;
  }

  get founding(): Founding {
    return this.#founding;
  }

  get log(): DatabaseLog {
    return this.#parts.log;
  }

  get state(): DatabaseState {
    return this.#parts.state;
  }

  get failure(): StorageError | undefined {
    return this.#parts.latch.failure;
  }

  get notes(): readonly string[] {
    return this.#parts.notes;
  }

  async saveFounding(founding: Founding): Promise<void> {
    await this.#parts.log.writeBeside(FOUNDING_KEY, encodeFounding(founding, this.#parts.crc32));
    this.#founding = founding;
  }

  syncHead(): Promise<void> {
    return this.#parts.head.sync();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { log, state, head, latch, databases, disk } = this.#parts;
    await log.settled();
    await state.settled();
    try {
      if (latch.failure === undefined) await head.sync();
    } finally {
      latch.close();
      for (const database of databases) await database.close();
      await disk.close();
    }
  }
}
