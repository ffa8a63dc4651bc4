import { type Crc32, sameHash } from '../base/hash.ts';
import type { PeerId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { DatabaseRole, Disk } from './disk.ts';
import { firstHeadRecord, type HeadRecord, hashClusterId } from './head.ts';
import { findHead, type FoundHead, makeHead } from './head-recovery.ts';
import { decodeIdentity, drawIncarnation, encodeIdentity } from './identity.ts';
import { IDENTITY_KEY } from './keys.ts';
import { damaged, reading, undecodable } from './damage.ts';
import type { OpenDatabases } from './open-databases.ts';
import type { Identity } from './storage.ts';
import { StorageError } from './storage-error.ts';

/** Whose directory is expected. */
export interface ExpectedOwner {
  readonly clusterId: string;
  readonly peerId: PeerId;
  /** Draws the incarnation when the directory is new. */
  readonly random: Random;
  readonly crc32: Crc32;
}

/** Whose directory it is, and its HEAD. */
export interface FoundOwner {
  readonly identity: Identity;
  readonly found: FoundHead;
  /** Harmless oddities, as sentences. */
  readonly notes: readonly string[];
}

/**
 * Finds out whose directory this is, refuses a foreign one, and makes or completes a new one.
 * @throws StorageError `WRONG_CLUSTER`, `WRONG_PEER`, `HEAD_DAMAGED`, `IDENTITY_DAMAGED`, `LOG_TAIL_LOST` and kin
 */
export function findOwner(disk: Disk, databases: OpenDatabases, expected: ExpectedOwner): Promise<FoundOwner> {
  return new OwnerSearch(disk, databases, expected).run();
}

class OwnerSearch {
  readonly #disk: Disk;
  readonly #databases: OpenDatabases;
  readonly #expected: ExpectedOwner;

  constructor(disk: Disk, databases: OpenDatabases, expected: ExpectedOwner) {
    this.#disk = disk;
    this.#databases = databases;
    this.#expected = expected;
  }

  async run(): Promise<FoundOwner> {
    const { location } = this.#disk;
    const { crc32, clusterId, peerId, random } = this.#expected;
    const inLog = await this.#readIdentity('log');
    const inState = await this.#readIdentity('state');
    for (const identity of [inLog, inState]) if (identity !== undefined) this.#checkOwner(identity);
    const logEmpty = inLog === undefined && (await this.#isEmpty('log'));
    const stateEmpty = inState === undefined && (await this.#isEmpty('state'));
    let found = await findHead(this.#disk, crc32, logEmpty && stateEmpty);
    if (found === undefined) {
      if (!logEmpty || !stateEmpty) {
        throw damaged(
          'HEAD_DAMAGED',
          location,
          'the file HEAD is missing or empty, so it is not known how this peer voted',
        );
      }
      const identity = { clusterId, peerId, incarnation: drawIncarnation(random) };
      found = await makeHead(this.#disk, firstHeadRecord(identity, crc32), crc32);
    }
    checkHeadOwner(found.record, this.#expected, location);
    const notes = found.otherDamaged
      ? [`${location}: one slot of HEAD was damaged; the other one served, and the damaged one is written anew`]
      : [];
    const identity = { clusterId, peerId, incarnation: found.record.incarnation };
    for (const other of [inLog, inState]) {
      if (other !== undefined && other.incarnation !== identity.incarnation) throw this.#mixed();
    }
    if (inLog === undefined) await this.#completeLog(identity, found.record, logEmpty);
    if (inState === undefined) await this.#completeState(identity, stateEmpty);
    return { identity, found, notes };
  }

  async #readIdentity(name: DatabaseRole): Promise<Identity | undefined> {
    const { location } = this.#disk;
    const value = await reading(name, location, () => this.#databases.get(name).get(IDENTITY_KEY));
    if (value === undefined) return undefined;
    try {
      return decodeIdentity(value, this.#expected.crc32);
    } catch (error) {
      const code = name === 'log' ? 'IDENTITY_DAMAGED' : 'STATE_DAMAGED';
      throw undecodable(error, code, location, `the identity in the ${name} database`);
    }
  }

  async #isEmpty(name: DatabaseRole): Promise<boolean> {
    const first = { gte: new Uint8Array(0), lt: Uint8Array.of(0xff), limit: 1 };
    return (await this.#databases.get(name).range(first)).length === 0;
  }

  #checkOwner(identity: Identity): void {
    const { clusterId, peerId } = this.#expected;
    const { location } = this.#disk;
    if (identity.clusterId !== clusterId) {
      const message = `the data directory ${location} belongs to cluster "${identity.clusterId}", and this peer is of cluster "${clusterId}"`;
      throw new StorageError('WRONG_CLUSTER', `${message}: give it a directory of its own, or correct the cluster id.`);
    }
    if (identity.peerId !== peerId) throw wrongPeer(identity.peerId, this.#expected, location);
  }

  #mixed(): StorageError {
    const message = `${this.#disk.location}: HEAD, log and state are not of the same incarnation of peer "${this.#expected.peerId}"`;
    return new StorageError(
      'WRONG_PEER',
      `${message}: parts of two data directories were mixed. Put them back as they were.`,
    );
  }

  /** The log has no identity: the first start was cut short, or the log was wiped. */
  async #completeLog(identity: Identity, record: HeadRecord, empty: boolean): Promise<void> {
    const { location } = this.#disk;
    if (!empty) throw damaged('IDENTITY_DAMAGED', location, 'the Raft log has records but no identity');
    // With a recorded damage it was removed by a repair, which lowered what HEAD says.
    const promised = record.lastIndex > 0 || (record.hardState.term > 0 && record.damage === undefined);
    if (promised) {
      const what = `the Raft log is gone although this peer had reached term ${record.hardState.term} and acknowledged entries up to ${record.lastIndex}`;
      throw damaged('LOG_TAIL_LOST', location, what, { index: 1 });
    }
    await this.#writeIdentity('log', identity);
  }

  /** The state has no identity: the first start was cut short, or the state was removed to be made anew from the log. */
  async #completeState(identity: Identity, empty: boolean): Promise<void> {
    if (!empty) {
      throw damaged('STATE_DAMAGED', this.#disk.location, 'the state database has records but no identity');
    }
    await this.#writeIdentity('state', identity);
  }

  /**
   * Closes and opens the database again before use: LevelDB does not sync the directory for a new log file of its own, but
   * opening writes and syncs what names it.
   */
  async #writeIdentity(name: DatabaseRole, identity: Identity): Promise<void> {
    const steps = this.#databases.get(name).batch();
    steps.put(IDENTITY_KEY, encodeIdentity(identity, this.#expected.crc32));
    await steps.write();
    await this.#databases.reopen(name);
  }
}

/**
 * Refuses a directory that is another's by what HEAD says.
 * @throws StorageError `WRONG_CLUSTER` or `WRONG_PEER`
 */
export function checkHeadOwner(record: HeadRecord, expected: ExpectedOwner, location: string): void {
  const { clusterId, peerId, crc32 } = expected;
  if (!sameHash(record.cluster, hashClusterId(clusterId, crc32))) {
    const message = `the data directory ${location} belongs to another cluster than "${clusterId}"`;
    throw new StorageError(
      'WRONG_CLUSTER',
      `${message}: give this peer a directory of its own, or correct the cluster id.`,
    );
  }
  if (record.peerId !== peerId) throw wrongPeer(record.peerId, expected, location);
}

function wrongPeer(owner: PeerId, { peerId }: ExpectedOwner, location: string): StorageError {
  const message = `the data directory ${location} belongs to peer "${owner}", and this peer is "${peerId}"`;
  return new StorageError('WRONG_PEER', `${message}: give it a directory of its own, or start it as "${owner}".`);
}
