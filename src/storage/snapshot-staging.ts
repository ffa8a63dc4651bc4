import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import type { LogIndex } from '../base/ids.ts';
import {
  decodeStateRecord,
  encodeStaged,
  encodeStateRecord,
  putCheckpoint,
  readCheckpoint,
} from './checkpoint-record.ts';
import { damaged, reading, unusable } from './damage.ts';
import type { Database, Disk, StateName } from './disk.ts';
import { encodeIdentity } from './identity.ts';
import { compareKeys, IDENTITY_KEY, keyAfter, nameOfRecord, recordKey, STAGED_KEY, STATE_KEYS_END } from './keys.ts';
import type { Checkpoint, Identity, LogPosition, SnapshotOffer, SnapshotStaging, StateRecord } from './storage.ts';
import { STATE_KEY_BYTES_MAX } from './storage.ts';
import { StorageError } from './storage-error.ts';

/** What a staging needs of its directory. */
export interface StagingContext {
  readonly disk: Disk;
  /** A generation that holds nothing yet. */
  readonly name: StateName;
  readonly identity: Identity;
  readonly crc32: Crc32;
  /** The log begins behind it: an older state cannot be installed. */
  baseIndex(): LogIndex;
  /** @throws StorageError when the storage is at its end. */
  check(): void;
  /** Makes the finished generation the state. */
  install(base: LogPosition): Promise<void>;
  /** The staging was given up, and its database is being removed. */
  discarding(removal: Promise<void>): void;
}

/** At first; a page with larger records makes room for them. */
const WRITER_BYTES_FIRST = 4 * 1024;
const PAGE_RECORDS = 1024;
const FIRST_RECORD = recordKey(new Uint8Array(0));

/**
 * `SnapshotStaging` in a database of its own. A write that fails here ends the staging and nothing else: the other databases
 * have files of their own.
 *
 *     open ──finish──▶ finished ──install──▶ ended ◀──discard── open | finished
 */
export class StateStaging implements SnapshotStaging {
  readonly #context: StagingContext;
  readonly #database: Database;
  readonly #writer = new ByteWriter(WRITER_BYTES_FIRST);
  #stage: 'open' | 'finished' | 'ended' = 'open';
  #finishedBase: LogPosition | undefined;
  #lastKey: Uint8Array = FIRST_RECORD;
  #records = 0;
  #sizeBytes = 0;
  #inFlight: Promise<void> | undefined;

  /** @param database That of `context.name`, empty. */
  constructor(context: StagingContext, database: Database) {
    this.#context = context;
    this.#database = database;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The key of the last record that is there; empty where none is. */
  get lastKey(): Uint8Array {
    return nameOfRecord(this.#lastKey);
  }

  /** Notes what this is to become, so that it can be taken up again. */
  begin(offer: SnapshotOffer): Promise<void> {
    return this.#alone(async () => {
      const steps = this.#database.batch();
      steps.put(STAGED_KEY, encodeStaged(offer, this.#context.crc32));
      await this.#writing(() => steps.write());
    });
  }

  /** Goes on behind the records that are there already; `take` gets them page by page. @throws StorageError STATE_DAMAGED */
  resume(take: (records: readonly StateRecord[]) => void): Promise<void> {
    return this.#alone(() =>
      this.#readPages(this.#database, (records) => {
        for (const { key, value } of records) {
          this.#lastKey = recordKey(key);
          this.#records += 1;
          this.#sizeBytes += key.length + value.length;
        }
        take(records);
      }),
    );
  }

  add(records: readonly StateRecord[]): Promise<void> {
    return this.#alone(() => this.#add(records));
  }

  finish(checkpoint: Checkpoint, base: LogPosition): Promise<void> {
    assert(checkpoint.index === base.index && checkpoint.term === base.term, 'a state ends where its log goes on');
    return this.#alone(() => this.#finish(checkpoint, base));
  }

  async install(): Promise<void> {
    const base = this.#finishedBase;
    assert(this.#stage === 'finished' && base !== undefined, 'a state is finished before it is installed');
    this.#checkAge(base);
    this.#stage = 'ended';
    await this.#context.install(base);
  }

  async discard(): Promise<void> {
    if (this.#stage === 'ended') return;
    this.#stage = 'ended';
    const removal = this.#remove();
    this.#context.discarding(removal);
    await removal;
  }

  /** Ends it; what is on the disk goes at the next open. */
  async abandon(): Promise<void> {
    this.#stage = 'ended';
    await this.#inFlight?.catch(() => undefined);
    await this.#database.close();
  }

  async #remove(): Promise<void> {
    await this.abandon();
    await this.#writing(() => this.#context.disk.removeDatabase(this.#context.name));
  }

  #alone(work: () => Promise<void>): Promise<void> {
    assert(this.#inFlight === undefined, 'one call on a staging is in flight at a time');
    assert(this.#stage === 'open', 'nothing is added to a state after its end');
    this.#context.check();
    this.#inFlight = work().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #add(records: readonly StateRecord[]): Promise<void> {
    if (records.length === 0) return;
    const steps = this.#database.batch();
    for (const { key, value } of records) {
      assert(key.length > 0 && key.length <= STATE_KEY_BYTES_MAX, 'the key of a state record is 1 to 1024 bytes');
      const stored = recordKey(key);
      assert(compareKeys(this.#lastKey, stored) < 0, 'the records of a state come in the order of their keys');
      encodeStateRecord(this.#writer, stored, value, this.#context.crc32);
      steps.put(stored, this.#writer.view());
      this.#lastKey = stored;
      this.#records += 1;
      this.#sizeBytes += stored.length + this.#writer.length;
    }
    await this.#writing(() => steps.write());
  }

  async #finish(checkpoint: Checkpoint, base: LogPosition): Promise<void> {
    this.#checkAge(base);
    const { disk, name, identity, crc32 } = this.#context;
    const steps = this.#database.batch();
    steps.put(IDENTITY_KEY, encodeIdentity(identity, crc32));
    // From here on it is whole, and what is changed in it no longer came from another peer.
    steps.del(STAGED_KEY);
    putCheckpoint(steps, checkpoint, 1, crc32);
    await this.#writing(() => steps.write());
    // Opened anew, so that the files are known by name for good, and what is read back comes from them.
    await this.#database.close();
    const database = await disk.openDatabase(name);
    try {
      await this.#verify(database, checkpoint);
    } finally {
      await database.close();
    }
    this.#finishedBase = base;
    // It may have been discarded meanwhile.
    if (this.#stage === 'open') this.#stage = 'finished';
  }

  /** The log may have been filled and compacted past the state while that was on its way. */
  #checkAge({ index }: LogPosition): void {
    const baseIndex = this.#context.baseIndex();
    if (index >= baseIndex) return;
    const what = `a snapshot ends with entry ${index}, and the Raft log begins only at entry ${baseIndex + 1}`;
    throw damaged('STATE_DAMAGED', this.#context.disk.location, what, { logCompacted: true });
  }

  async #verify(database: Database, checkpoint: Checkpoint): Promise<void> {
    const { disk, crc32 } = this.#context;
    const found = await readCheckpoint(database, crc32, disk.location);
    let records = 0;
    await this.#readPages(database, (page) => {
      records += page.length;
    });
    if (found?.checkpoint.index === checkpoint.index && records === this.#records) return;
    const what = `of ${this.#records} records of a snapshot ${records} can be read back`;
    throw damaged('STATE_DAMAGED', disk.location, what, { logCompacted: true });
  }

  /** Reads all records and checks them. @throws StorageError STATE_DAMAGED */
  async #readPages(database: Database, take: (records: readonly StateRecord[]) => void): Promise<void> {
    const { disk, crc32 } = this.#context;
    let gte = FIRST_RECORD;
    for (;;) {
      const range = { gte, lt: STATE_KEYS_END, limit: PAGE_RECORDS };
      const page = await reading('state', disk.location, () => database.range(range));
      const last = page.at(-1);
      if (last === undefined) return;
      take(
        page.map(([stored, value]) => ({
          key: nameOfRecord(stored),
          value: decodeStateRecord(stored, value, crc32, disk.location),
        })),
      );
      gte = keyAfter(last[0]);
    }
  }

  async #writing(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      throw error instanceof StorageError ? error : unusable(this.#context.disk.location, error);
    }
  }
}
