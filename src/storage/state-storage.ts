import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { decodeStateRecord, encodeStateRecord, putCheckpoint, type WrittenCheckpoint } from './checkpoint-record.ts';
import type { Database, DatabaseBatch, DatabaseEntry } from './disk.ts';
import type { FailureLatch } from './failure-latch.ts';
import { nameOfRecord, recordKey, STATE_KEYS_END } from './keys.ts';
import { reading } from './damage.ts';
import type { Checkpoint, CheckpointWriter, StateRangeOptions, StateRecord, StateStorage } from './storage.ts';
import { STATE_KEY_BYTES_MAX } from './storage.ts';

/** At first; a checkpoint with larger records makes room for them. */
const RECORD_WRITER_BYTES = 1024;
const EMPTY_KEY = new Uint8Array(0);

/** What the state database shares with the rest of its directory. */
export interface StateContext {
  readonly database: Database;
  readonly crc32: Crc32;
  readonly latch: FailureLatch;
  /** The directory, for sentences. */
  readonly location: string;
}

/** `StateStorage` in a database. */
export class DatabaseState implements StateStorage {
  readonly #context: StateContext;
  #checkpoint: Checkpoint | undefined;
  /** Of the last batch that was written. */
  #sequence: number;
  #inFlight: Promise<void> | undefined;

  /** @param written What `readCheckpoint` found. */
  constructor(context: StateContext, written: WrittenCheckpoint | undefined) {
    this.#context = context;
    this.#checkpoint = written?.checkpoint;
    this.#sequence = written?.sequence ?? 0;
  }

  get checkpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  beginCheckpoint(): CheckpointWriter {
    const { database, crc32, latch } = this.#context;
    latch.check();
    return new BatchCheckpointWriter(database.batch(), crc32, (steps, checkpoint) => this.#commit(steps, checkpoint));
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#context.latch.check();
    const stored = recordKey(key);
    const value = await this.#reading(() => this.#context.database.get(stored));
    return value === undefined ? undefined : this.#open(stored, value);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    this.#context.latch.check();
    const stored = keys.map((key) => recordKey(key));
    const values = await this.#reading(() => this.#context.database.getMany(stored));
    return values.map((value, at) => (value === undefined ? undefined : this.#open(stored[at] as Uint8Array, value)));
  }

  async range(options: StateRangeOptions): Promise<readonly StateRecord[]> {
    this.#context.latch.check();
    const { gte = EMPTY_KEY, lt, ...rest } = options;
    const bounds = { gte: recordKey(gte), lt: lt === undefined ? STATE_KEYS_END : recordKey(lt) };
    const page = await this.#reading(() => this.#context.database.range({ ...bounds, ...rest }));
    return page.map(([stored, value]: DatabaseEntry) => ({
      key: nameOfRecord(stored),
      value: this.#open(stored, value),
    }));
  }

  /** Fulfilled when no commit is in flight, whether it succeeded or not. */
  async settled(): Promise<void> {
    await this.#inFlight?.catch(() => undefined);
  }

  #commit(steps: DatabaseBatch, checkpoint: Checkpoint): Promise<void> {
    assert(this.#inFlight === undefined, 'one checkpoint is in flight at a time');
    assert(checkpoint.index >= (this.#checkpoint?.index ?? 0), 'checkpoints never go back');
    putCheckpoint(steps, checkpoint, this.#sequence + 1, this.#context.crc32);
    this.#inFlight = this.#context.latch
      .enter('writing a checkpoint', () => steps.write())
      .then(() => {
        this.#checkpoint = checkpoint;
        this.#sequence += 1;
      })
      .finally(() => {
        this.#inFlight = undefined;
      });
    return this.#inFlight;
  }

  #open(stored: Uint8Array, value: Uint8Array): Uint8Array {
    return decodeStateRecord(stored, value, this.#context.crc32, this.#context.location);
  }

  #reading<Value>(read: () => Promise<Value>): Promise<Value> {
    return reading('state', this.#context.location, read);
  }
}

class BatchCheckpointWriter implements CheckpointWriter {
  readonly #steps: DatabaseBatch;
  readonly #crc32: Crc32;
  readonly #commit: (steps: DatabaseBatch, checkpoint: Checkpoint) => Promise<void>;
  readonly #writer = new ByteWriter(RECORD_WRITER_BYTES);
  #open = true;
  #sizeBytes = 0;

  constructor(
    steps: DatabaseBatch,
    crc32: Crc32,
    commit: (steps: DatabaseBatch, checkpoint: Checkpoint) => Promise<void>,
  ) {
    this.#steps = steps;
    this.#crc32 = crc32;
    this.#commit = commit;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#check(key);
    const stored = recordKey(key);
    encodeStateRecord(this.#writer, stored, value, this.#crc32);
    this.#steps.put(stored, this.#writer.view());
    this.#sizeBytes += stored.length + this.#writer.length;
  }

  del(key: Uint8Array): void {
    this.#check(key);
    const stored = recordKey(key);
    this.#steps.del(stored);
    this.#sizeBytes += stored.length;
  }

  commit(checkpoint: Checkpoint): Promise<void> {
    assert(this.#open, 'a checkpoint is committed once');
    this.#open = false;
    return this.#commit(this.#steps, checkpoint);
  }

  discard(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#steps.discard();
  }

  #check(key: Uint8Array): void {
    assert(this.#open, 'nothing is added to a checkpoint after its end');
    assert(key.length > 0 && key.length <= STATE_KEY_BYTES_MAX, 'the key of a state record is 1 to 1024 bytes');
  }
}
