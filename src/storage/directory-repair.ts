/**
 * What a peer does by itself about damage that it finds when it opens its directory, where other peers have what it lost.
 *
 * | found                                        | done                                                                |
 * | -------------------------------------------- | ------------------------------------------------------------------- |
 * | records of the log wrong or missing          | cut there, see `log-repair.ts`; what the checkpoint has is not missed |
 * | the log cannot be opened or read             | made anew, behind the checkpoint; HEAD records how far it had reached |
 * | identity or founding record in the log wrong | written anew from HEAD                                              |
 * | the state wrong, or distrusted               | dropped; made anew from the log or a snapshot                       |
 * | HEAD wrong                                   | nothing: it is not known how this peer voted                        |
 *
 * Each repair is durable before anything is removed, can be cut short anywhere, and is followed by a full examination.
 */
import { damaged, undecodable } from './damage.ts';
import { checkHeadOwner, type ExpectedOwner } from './directory-owner.ts';
import type { Disk } from './disk.ts';
import { generationOf } from './disk.ts';
import { readCheckpoint } from './checkpoint-record.ts';
import { FailureLatch } from './failure-latch.ts';
import { decodeGeneration, encodeGeneration } from './generation.ts';
import { Head } from './head.ts';
import { findHead, type FoundHead } from './head-recovery.ts';
import { decodeIdentity, encodeFounding, encodeIdentity } from './identity.ts';
import { FOUNDING_KEY, GENERATION_KEY, IDENTITY_KEY } from './keys.ts';
import { LOG_START, LogCodec } from './log-record.ts';
import { recordLostLog, repairLog } from './log-repair.ts';
import { OpenDatabases } from './open-databases.ts';
import { UnknownFormatError } from './record.ts';
import type { LogPosition } from './storage.ts';
import { StorageError, type StorageErrorCode } from './storage-error.ts';

/** What damage of the log is called. */
const LOG_CODES: readonly StorageErrorCode[] = ['LOG_DAMAGED', 'LOG_TAIL_LOST', 'META_DAMAGED'];
/** More repairs than this in one opening do not last. */
const REPAIRS_MAX = 12;
/** A log that is still damaged after this many repairs is made anew: the database returns what was not written to it. */
const LOG_REPAIRS_MAX = 3;

/** See the head of this file. Lives as long as one opening. */
export class DirectoryRepair {
  readonly #disk: Disk;
  readonly #expected: ExpectedOwner;
  readonly #notes: string[] = [];
  #repairs = 0;
  #logRepairs = 0;

  constructor(disk: Disk, expected: ExpectedOwner) {
    this.#disk = disk;
    this.#expected = expected;
  }

  /** What was done, a sentence each. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /**
   * Does something about `error`, after which the directory is to be examined again. All databases are closed.
   * @throws StorageError `error` itself when nothing can be done, or what stood against it
   */
  async repair(error: StorageError): Promise<void> {
    this.#repairs += 1;
    if (this.#repairs > REPAIRS_MAX) throw error;
    const { code } = error;
    if (code === 'STATE_DAMAGED') await this.#dropState(error);
    else if (code === 'IDENTITY_DAMAGED') await this.#writeIdentity(error);
    else if (LOG_CODES.includes(code)) await this.#repairLog(error);
    else throw error;
  }

  async #repairLog(error: StorageError): Promise<void> {
    this.#logRepairs += 1;
    if (this.#logRepairs > LOG_REPAIRS_MAX || !(await this.#cutLog(error))) await this.#giveUpLog(error);
  }

  /** Returns false when the database cannot be read, or not opened. */
  async #cutLog(error: StorageError): Promise<boolean> {
    const { crc32 } = this.#expected;
    const { location } = this.#disk;
    const found = await this.#ownHead();
    try {
      const { cutFrom } = await this.#withDatabases(async (databases) => {
        await databases.open();
        const written = await readCheckpoint(databases.get('state'), crc32, location);
        const context = { database: databases.get('log'), codec: new LogCodec(crc32), head: found.record, location };
        return repairLog(context, this.#head(found), written?.checkpoint);
      });
      const outcome =
        cutFrom === undefined
          ? 'nothing is missing, because the checkpoint holds it'
          : `entries from ${cutFrom} on are to come from the other peers`;
      this.#notes.push(`${error.finding}; ${outcome}`);
      return true;
    } catch (failure) {
      if (failure instanceof StorageError && failure.code === 'LOG_DAMAGED') return false;
      throw failure;
    }
  }

  async #giveUpLog(error: StorageError): Promise<void> {
    await recordLostLog(this.#head(await this.#ownHead()));
    await this.#disk.removeDatabase('log');
    this.#notes.push(`${error.finding}; the Raft log is made anew, and is to come from the other peers`);
  }

  /** The log names a generation that holds nothing, and then the others go. */
  async #dropState(error: StorageError): Promise<void> {
    await this.#ownHead();
    const states = await this.#disk.listStates();
    const number = Math.max(0, ...states.map((name) => generationOf(name) ?? 0)) + 1;
    await this.#withDatabases(async (databases) => {
      const log = await databases.openLog();
      const resetTo = this.#resetToOf(await log.get(GENERATION_KEY));
      const steps = log.batch();
      steps.put(GENERATION_KEY, encodeGeneration({ number, resetTo }, this.#expected.crc32));
      await steps.write();
    });
    for (const name of states) await this.#disk.removeDatabase(name);
    this.#notes.push(`${error.finding}; the state is made anew`);
  }

  #resetToOf(value: Uint8Array | undefined): LogPosition {
    if (value === undefined) return LOG_START;
    try {
      return decodeGeneration(value, this.#expected.crc32).resetTo;
    } catch {
      // It only spares a search.
      return LOG_START;
    }
  }

  async #writeIdentity(error: StorageError): Promise<void> {
    const { clusterId, peerId, crc32 } = this.#expected;
    const { record } = await this.#ownHead();
    await this.#withDatabases(async (databases) => {
      const log = await databases.openLog();
      const steps = log.batch();
      if (this.#identityReads(await log.get(IDENTITY_KEY))) {
        // Whoever has voted belongs to a cluster that was founded; whom it had heard then is not needed any more.
        if (record.hardState.term === 0) throw error;
        steps.put(FOUNDING_KEY, encodeFounding({ founded: true, heard: [] }, crc32));
      } else {
        const { incarnation } = record;
        steps.put(IDENTITY_KEY, encodeIdentity({ clusterId, peerId, incarnation }, crc32));
      }
      await steps.write();
    });
    this.#notes.push(`${error.finding}; it is written anew by what HEAD says`);
  }

  #identityReads(value: Uint8Array | undefined): boolean {
    if (value === undefined) return false;
    try {
      decodeIdentity(value, this.#expected.crc32);
      return true;
    } catch (error) {
      if (!(error instanceof UnknownFormatError)) return false;
      throw undecodable(error, 'IDENTITY_DAMAGED', this.#disk.location, 'the identity in the log database');
    }
  }

  /** HEAD, when it reads and says that the directory is this peer's: nothing is repaired in that of another. */
  async #ownHead(): Promise<FoundHead> {
    const { location } = this.#disk;
    const found = await findHead(this.#disk, this.#expected.crc32, false);
    if (found === undefined) {
      throw damaged(
        'HEAD_DAMAGED',
        location,
        'the file HEAD is missing or empty, so it is not known how this peer voted',
      );
    }
    checkHeadOwner(found.record, this.#expected, location);
    return found;
  }

  #head(found: FoundHead): Head {
    return new Head(this.#disk, this.#expected.crc32, new FailureLatch(this.#disk.location), found);
  }

  async #withDatabases<Value>(work: (databases: OpenDatabases) => Promise<Value>): Promise<Value> {
    const databases = new OpenDatabases(this.#disk, this.#expected.crc32);
    try {
      return await work(databases);
    } finally {
      await databases.close();
    }
  }
}
