import { assert } from '../base/assert.ts';
import type { Crc32 } from '../base/hash.ts';
import type { BallastKeeper } from './ballast-keeper.ts';
import { encodeBoots } from './boots.ts';
import { unusable } from './damage.ts';
import type { Database, Disk, StateName } from './disk.ts';
import { generationOf, stateName } from './disk.ts';
import type { FailureLatch } from './failure-latch.ts';
import type { Head } from './head.ts';
import { encodeFounding } from './identity.ts';
import { BOOTS_KEY, FOUNDING_KEY } from './keys.ts';
import type { DatabaseLog } from './log-storage.ts';
import { StateStaging } from './snapshot-staging.ts';
import type { DatabaseState } from './state-storage.ts';
import type {
  Damage,
  Founding,
  HeardBoot,
  Identity,
  LogPosition,
  OpenedStorage,
  RecoveredLog,
  SnapshotStaging,
  Space,
} from './storage.ts';
import { StorageError } from './storage-error.ts';

/** The parts of a data directory, opened and checked. */
export interface DirectoryParts {
  readonly disk: Disk;
  readonly logDatabase: Database;
  readonly stateDatabase: Database;
  /** The generation of the state that is in use. */
  readonly stateName: StateName;
  readonly crc32: Crc32;
  readonly latch: FailureLatch;
  readonly head: Head;
  readonly ballast: BallastKeeper;
  readonly identity: Identity;
  readonly founding: Founding;
  readonly heardBoots: readonly HeardBoot[];
  readonly recovered: RecoveredLog;
  readonly log: DatabaseLog;
  readonly state: DatabaseState;
  readonly stateMissing: boolean;
  readonly notes: readonly string[];
}

/** `OpenedStorage` of the parts. */
export class OpenedDirectory implements OpenedStorage {
  readonly #parts: Omit<DirectoryParts, 'recovered' | 'founding' | 'heardBoots'>;
  #founding: Founding;
  #heardBoots: readonly HeardBoot[];
  #damage: Damage | undefined;
  /** Let go of when it is taken: it holds megabytes of entries. */
  #recovered: RecoveredLog | undefined;
  /** Those that were begun and neither installed nor discarded. */
  readonly #stagings = new Set<StateStaging>();
  /** Removals under way of stagings that were discarded; none of them rejects. */
  readonly #discards = new Set<Promise<void>>();
  /** No generation is used twice while the directory is open, whether it is on the disk yet or not. */
  #lastGeneration = 0;
  #closing: Promise<void> | undefined;

  constructor({ recovered, founding, heardBoots, ...parts }: DirectoryParts) {
    this.#parts = parts;
    this.#recovered = recovered;
    this.#founding = founding;
    this.#heardBoots = heardBoots;
    const recorded = parts.head.record.damage;
    this.#damage = recorded === undefined ? undefined : { from: parts.log.lastIndex + 1, ...recorded };
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

  get boot(): number {
    return this.#parts.head.record.boot;
  }

  get founding(): Founding {
    return this.#founding;
  }

  get heardBoots(): readonly HeardBoot[] {
    return this.#heardBoots;
  }

  get damage(): Damage | undefined {
    return this.#damage;
  }

  get shared(): boolean | undefined {
    return this.#parts.head.record.shared;
  }

  get stateMissing(): boolean {
    return this.#parts.stateMissing;
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

  async saveHeardBoots(boots: readonly HeardBoot[]): Promise<void> {
    await this.#parts.log.writeBeside(BOOTS_KEY, encodeBoots(boots, this.#parts.crc32));
    this.#heardBoots = boots;
  }

  async healed(): Promise<void> {
    await this.#writeHead({ damage: undefined });
    this.#damage = undefined;
  }

  async saveShared(shared: boolean): Promise<void> {
    if (this.shared !== shared) await this.#writeHead({ shared });
  }

  async distrustState(reason: string): Promise<void> {
    const { head, latch, disk } = this.#parts;
    latch.check();
    const message = `${disk.location}: the state is not to be trusted: ${reason}. It is made anew when the directory is opened again.`;
    latch.end(new StorageError('STATE_DAMAGED', message));
    await head.ready();
    head.write({ stateDistrusted: true });
    await head.sync();
  }

  async beginSnapshot(): Promise<SnapshotStaging> {
    const { disk, identity, crc32, latch, log } = this.#parts;
    await Promise.all(this.#discards);
    latch.check();
    try {
      const generations = (await disk.listStates()).map((name) => generationOf(name) ?? 0);
      this.#lastGeneration = Math.max(...generations, this.#lastGeneration) + 1;
      const number = this.#lastGeneration;
      const name = stateName(number);
      const staging = new StateStaging(
        {
          disk,
          name,
          identity,
          crc32,
          baseIndex: () => log.firstIndex - 1,
          check: () => latch.check(),
          install: (base) => this.#install(number, base),
          discarding: (removal) => this.#discarding(staging, removal),
        },
        await disk.openDatabase(name),
      );
      this.#stagings.add(staging);
      return staging;
    } catch (error) {
      throw error instanceof StorageError ? error : unusable(disk.location, error);
    }
  }

  space(): Promise<Space> {
    return this.#parts.ballast.space();
  }

  syncHead(): Promise<void> {
    return this.#parts.head.sync();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #writeHead(change: Parameters<Head['write']>[0]): Promise<void> {
    const { head, latch } = this.#parts;
    latch.check();
    await head.ready();
    head.write(change);
    await head.sync();
  }

  #discarding(staging: StateStaging, removal: Promise<void>): void {
    const over = removal
      .catch(() => undefined)
      .finally(() => {
        this.#discards.delete(over);
      });
    this.#discards.add(over);
    this.#stagings.delete(staging);
  }

  async #install(number: number, base: LogPosition): Promise<void> {
    const { disk, latch, log, state, stateDatabase, stateName: oldName } = this.#parts;
    latch.check();
    const message = `a snapshot was installed in ${disk.location}, which is to be opened anew`;
    latch.end(new StorageError('STORAGE_FAILED', message));
    await log.settled();
    await state.settled();
    await log.switchState(number, base);
    await stateDatabase.close();
    // What is left of it goes at the next open.
    await disk.removeDatabase(oldName).catch(() => undefined);
  }

  async #close(): Promise<void> {
    const { log, state, head, latch, logDatabase, stateDatabase, disk, ballast } = this.#parts;
    await log.settled();
    await state.settled();
    try {
      if (latch.failure === undefined) await head.sync();
    } finally {
      latch.close();
      await Promise.all(this.#discards);
      for (const staging of this.#stagings) await staging.abandon();
      await stateDatabase.close();
      await logDatabase.close();
      await disk.close();
      await ballast.settled();
    }
  }
}
