import { assert } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { BallastKeeper } from './ballast-keeper.ts';
import { encodeBoots } from './boots.ts';
import { unusable } from './damage.ts';
import type { Database, Disk, StateName } from './disk.ts';
import { generationOf, stateName } from './disk.ts';
import type { FailureLatch } from './failure-latch.ts';
import { furtherEntry, type Head } from './head.ts';
import { encodeFounding } from './identity.ts';
import { BOOTS_KEY, FOUNDING_KEY } from './keys.ts';
import type { DatabaseLog } from './log-storage.ts';
import { StateStaging } from './snapshot-staging.ts';
import type { StagedState } from './staged.ts';
import type { DatabaseState } from './state-storage.ts';
import type {
  Damage,
  Founding,
  HeardBoot,
  Identity,
  LogPosition,
  OpenedStorage,
  RecoveredLog,
  ResumedSnapshot,
  SnapshotOffer,
  SnapshotStaging,
  Space,
  StateRecord,
} from './storage.ts';
import { StorageError } from './storage-error.ts';

/** The parts of a data directory, opened and checked. */
export interface DirectoryParts {
  readonly disk: Disk;
  readonly logDatabase: Database;
  readonly stateDatabase: Database;
  /** The generation of the state that is in use. */
  readonly stateName: StateName;
  /** A state that was on its way before. */
  readonly staged: StagedState | undefined;
  readonly crc32: Crc32;
  readonly latch: FailureLatch;
  readonly head: Head;
  readonly ballast: BallastKeeper;
  readonly identity: Identity;
  readonly founding: Founding;
  readonly heardBoots: readonly HeardBoot[];
  readonly bootMark: number;
  readonly recovered: RecoveredLog;
  readonly log: DatabaseLog;
  readonly state: DatabaseState;
  readonly stateMissing: boolean;
  readonly notes: readonly string[];
}

/** `OpenedStorage` of the parts. */
export class OpenedDirectory implements OpenedStorage {
  readonly #parts: Omit<DirectoryParts, 'recovered' | 'founding' | 'heardBoots' | 'staged'>;
  #founding: Founding;
  #heardBoots: readonly HeardBoot[];
  #damage: Damage | undefined;
  /** Let go of when it is taken: it holds megabytes of entries. */
  #recovered: RecoveredLog | undefined;
  /** Waits to be taken up again, or to be removed. */
  #staged: StagedState | undefined;
  /** Those that were begun and neither installed nor discarded. */
  readonly #stagings = new Set<StateStaging>();
  /** Removals under way of stagings that were discarded; none of them rejects. */
  readonly #discards = new Set<Promise<void>>();
  /** No generation is used twice while the directory is open, whether it is on the disk yet or not. */
  #lastGeneration = 0;
  #closing: Promise<void> | undefined;

  constructor({ recovered, founding, heardBoots, staged, ...parts }: DirectoryParts) {
    this.#parts = parts;
    this.#recovered = recovered;
    this.#founding = founding;
    this.#heardBoots = heardBoots;
    this.#staged = staged;
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

  get bootMark(): number {
    return this.#parts.bootMark;
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
    await head.save(() => ({ stateDistrusted: true }));
  }

  async noteLoss(lost: Omit<Damage, 'from'>, leader: PeerId, term: Term): Promise<void> {
    const { head, latch, disk } = this.#parts;
    latch.check();
    const what = `the Raft log ends with entry ${this.log.lastIndex} although this peer had acknowledged entries up to ${lost.lastIndex}`;
    const message = `${disk.location}: ${what}, as ${leader} says, which leads. They are fetched again.`;
    latch.end(new StorageError('LOG_TAIL_LOST', message));
    // An append that was let in before may still have an older term, or a vote, to write to HEAD.
    await this.log.settled();
    await head.save(() => {
      const { hardState, damage } = head.record;
      const knowsVote = hardState.term > term || (hardState.term === term && hardState.votedFor !== undefined);
      return {
        damage: furtherEntry(damage, lost),
        hardState: knowsVote ? hardState : { term, votedFor: leader },
      };
    });
  }

  get stagedIndex(): LogIndex | undefined {
    return this.#staged?.offer.checkpoint.index;
  }

  async beginSnapshot(offer?: SnapshotOffer): Promise<SnapshotStaging> {
    const { disk, latch } = this.#parts;
    await Promise.all(this.#discards);
    await this.discardStaged();
    latch.check();
    try {
      const generations = (await disk.listStates()).map((name) => generationOf(name) ?? 0);
      this.#lastGeneration = Math.max(...generations, this.#lastGeneration) + 1;
      const staging = await this.#openStaging(stateName(this.#lastGeneration));
      if (offer !== undefined) await staging.begin(offer);
      return staging;
    } catch (error) {
      throw error instanceof StorageError ? error : unusable(disk.location, error);
    }
  }

  async resumeSnapshot(take: (records: readonly StateRecord[]) => void): Promise<ResumedSnapshot | undefined> {
    const staged = this.#staged;
    this.#staged = undefined;
    if (staged === undefined) return undefined;
    this.#parts.latch.check();
    let staging: StateStaging | undefined;
    try {
      staging = await this.#openStaging(staged.name);
      await staging.resume(take);
      return { ...staged.offer, staging, lastKey: staging.lastKey, receivedBytes: staging.sizeBytes };
    } catch (error) {
      this.#parts.latch.check();
      await staging?.discard();
      if (error instanceof DecodeError || error instanceof StorageError) return undefined;
      throw error;
    }
  }

  async discardStaged(): Promise<void> {
    const staged = this.#staged;
    this.#staged = undefined;
    if (staged !== undefined) await this.#parts.disk.removeDatabase(staged.name);
  }

  async #openStaging(name: StateName): Promise<StateStaging> {
    const { disk, identity, crc32, latch, log } = this.#parts;
    const staging = new StateStaging(
      {
        disk,
        name,
        identity,
        crc32,
        baseIndex: () => log.firstIndex - 1,
        check: () => latch.check(),
        install: (base) => this.#install(generationOf(name) ?? 0, base),
        discarding: (removal) => this.#discarding(staging, removal),
      },
      await disk.openDatabase(name).catch((error: unknown) => {
        throw error instanceof StorageError ? error : unusable(disk.location, error);
      }),
    );
    this.#stagings.add(staging);
    return staging;
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
    await head.save(() => change);
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
      // Where there was no room, what is not whole gives back what it took.
      const isFull = latch.failure?.code === 'NO_SPACE';
      for (const staging of this.#stagings)
        await (isFull ? staging.discard().catch(() => undefined) : staging.abandon());
      await stateDatabase.close();
      await logDatabase.close();
      await disk.close();
      await ballast.settled();
    }
  }
}
