import type { Database, DatabaseBatch, DatabaseName, Disk, HeadSlot, StateName } from '../../../src/storage/disk.ts';

/** A disk that works until it is told to fail: then every write to one of its databases is refused, like a full or dying one. */
export class FailingDisk implements Disk {
  readonly location: string;
  readonly #inner: Disk;
  /** The database whose writes fail; `staging` stands for every state but the first. */
  failing: DatabaseName | 'staging' | undefined;
  /** What they fail with. */
  error = 'input/output error';

  constructor(inner: Disk) {
    this.#inner = inner;
    this.location = inner.location;
  }

  async openDatabase(name: DatabaseName): Promise<Database> {
    const database = await this.#inner.openDatabase(name);
    return {
      batch: () => this.#batch(name, database.batch()),
      get: (key) => database.get(key),
      getMany: (keys) => database.getMany(keys),
      range: (options) => database.range(options),
      close: () => database.close(),
    };
  }

  listStates(): Promise<readonly StateName[]> {
    return this.#inner.listStates();
  }

  removeDatabase(name: DatabaseName): Promise<void> {
    return this.#inner.removeDatabase(name);
  }

  freeBytes(): Promise<number> {
    return this.#inner.freeBytes();
  }

  ballastBytes(): Promise<number | undefined> {
    return this.#inner.ballastBytes();
  }

  reserveBallast(sizeBytes: number): Promise<void> {
    return this.#inner.reserveBallast(sizeBytes);
  }

  releaseBallast(): Promise<void> {
    return this.#inner.releaseBallast();
  }

  readHead(): Promise<readonly [Uint8Array, Uint8Array] | undefined> {
    return this.#inner.readHead();
  }

  writeHeadSlot(slot: HeadSlot, sector: Uint8Array): void {
    this.#inner.writeHeadSlot(slot, sector);
  }

  syncHead(): Promise<void> {
    return this.#inner.syncHead();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #batch(name: DatabaseName, batch: DatabaseBatch): DatabaseBatch {
    const write = batch.write.bind(batch);
    const fails = (): boolean =>
      this.failing === name || (this.failing === 'staging' && name !== 'log' && name !== 'state');
    batch.write = () => (fails() ? Promise.reject(new Error(this.error)) : write());
    return batch;
  }
}
