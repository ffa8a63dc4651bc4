import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import { type Crc32, type Hash64, murmur3, ZERO_HASH } from '../base/hash.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import { peerId as toPeerId } from '../base/ids.ts';
import type { HardState } from '../raft/types.ts';
import type { Disk, HeadSlot } from './disk.ts';
import { HEAD_SLOT_BYTES } from './disk.ts';
import type { FailureLatch } from './failure-latch.ts';
import { incarnationBytes, incarnationText } from './identity.ts';
import type { Identity } from './storage.ts';

/** The little that must be known even when the log is lost: who this is, what it voted, how far it had acknowledged. */
export interface HeadRecord {
  /** Two hashes of the cluster's id; the id itself would not fit the sector with two names of full length. */
  readonly cluster: Hash64;
  readonly peerId: PeerId;
  readonly incarnation: string;
  readonly hardState: HardState;
  /** The last entry that was durable when this was written. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The hash of the chain of entries up to `lastIndex`. */
  readonly chain: Hash64;
  /** How often the directory was opened. */
  readonly boot: number;
  /** The last entry that was acknowledged before the log was cut at a damage that is not mended yet. */
  readonly damage: LastEntry | undefined;
  /** True when the state database is not to be used again. */
  readonly stateDistrusted: boolean;
  /** See `OpenedStorage.shared`. */
  readonly shared: boolean | undefined;
  /**
   * No entry that was acknowledged is of a later term; 0 where an earlier version wrote this. Durable before an entry of that term is
   * acknowledged: so an entry behind `lastIndex` is of this very term, or was never acknowledged.
   */
  readonly entryTerm: Term;
}

/** What of it changes while the directory is in use. */
type HeadChange = Partial<Omit<HeadRecord, 'cluster' | 'peerId' | 'incarnation'>>;

/** An end of the log as votes compare it. */
export interface LastEntry {
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** The one of the two that is further, in the order of Raft §5.4.1: by term, then by index. */
export function furtherEntry(left: LastEntry | undefined, right: LastEntry): LastEntry {
  const leftIsFurther =
    left !== undefined &&
    (left.lastTerm > right.lastTerm || (left.lastTerm === right.lastTerm && left.lastIndex >= right.lastIndex));
  const { lastIndex, lastTerm } = leftIsFurther ? left : right;
  return { lastIndex, lastTerm };
}

/** What one slot holds. `empty`: never written. `unknown`: of a later version. */
export type SlotContent =
  | { readonly state: 'valid'; readonly sequence: number; readonly record: HeadRecord }
  | { readonly state: 'empty' | 'damaged' | 'unknown' };

const MAGIC = 0x44484b54;
/** Format 1 ended with the chain, before zeros: it reads as 2, with nothing damaged and no start counted. */
const FORMAT = 2;
const FORMAT_WITHOUT_DAMAGE = 1;
const CRC_AT = HEAD_SLOT_BYTES - 4;
const ZEROS = new Uint8Array(HEAD_SLOT_BYTES);
const DAMAGED = 1;
const STATE_DISTRUSTED = 2;
/** One of the two is set once it is known; records of an earlier version have neither. */
const SHARED = 4;
const NOT_SHARED = 8;

/** The cluster's id as HEAD holds it. */
export function hashClusterId(clusterId: string, crc32: Crc32): Hash64 {
  const writer = new ByteWriter();
  writer.ascii(clusterId);
  return { high: crc32(writer.view()), low: murmur3(writer.view(), 0x4ead) };
}

/** HEAD of a directory in which nothing has happened. */
export function firstHeadRecord(identity: Identity, crc32: Crc32): HeadRecord {
  return {
    cluster: hashClusterId(identity.clusterId, crc32),
    peerId: identity.peerId,
    incarnation: identity.incarnation,
    hardState: { term: 0, votedFor: undefined },
    lastIndex: 0,
    lastTerm: 0,
    chain: ZERO_HASH,
    boot: 0,
    damage: undefined,
    stateDistrusted: false,
    shared: undefined,
    entryTerm: 0,
  };
}

/** Encodes one slot into `writer`, which is emptied before. */
export function encodeSlot(writer: ByteWriter, sequence: number, record: HeadRecord, crc32: Crc32): void {
  writer.reset();
  writer.u32(MAGIC);
  writer.u8(FORMAT);
  writer.u64(sequence);
  writer.u32(record.cluster.high);
  writer.u32(record.cluster.low);
  writer.ascii(record.peerId);
  writer.raw(incarnationBytes(record.incarnation));
  writer.u64(record.hardState.term);
  writer.ascii(record.hardState.votedFor ?? '');
  writer.u64(record.lastIndex);
  writer.u64(record.lastTerm);
  writer.u32(record.chain.high);
  writer.u32(record.chain.low);
  writer.u32(record.boot);
  writer.u8(flagsOf(record));
  writer.u64(record.damage?.lastIndex ?? 0);
  writer.u64(record.damage?.lastTerm ?? 0);
  writer.u64(record.entryTerm);
  assert(writer.length <= CRC_AT, 'two names of 200 bytes and the rest fit one sector');
  writer.raw(ZEROS.subarray(writer.length, CRC_AT));
  writer.u32(crc32(writer.view()));
}

/** Field by field, since HEAD is written with every batch: made of two objects, a record would have a shape of its own each time. */
function changed(record: HeadRecord, change: HeadChange): HeadRecord {
  return {
    cluster: record.cluster,
    peerId: record.peerId,
    incarnation: record.incarnation,
    hardState: change.hardState ?? record.hardState,
    lastIndex: change.lastIndex ?? record.lastIndex,
    lastTerm: change.lastTerm ?? record.lastTerm,
    chain: change.chain ?? record.chain,
    boot: change.boot ?? record.boot,
    damage: 'damage' in change ? change.damage : record.damage,
    stateDistrusted: change.stateDistrusted ?? record.stateDistrusted,
    shared: 'shared' in change ? change.shared : record.shared,
    entryTerm: change.entryTerm ?? record.entryTerm,
  };
}

function flagsOf({ damage, stateDistrusted, shared }: HeadRecord): number {
  const copies = shared === undefined ? 0 : shared ? SHARED : NOT_SHARED;
  return (damage === undefined ? 0 : DAMAGED) | (stateDistrusted ? STATE_DISTRUSTED : 0) | copies;
}

/** Reads one slot. Never throws: what it finds is data from a disk. */
export function decodeSlot(sector: Uint8Array, crc32: Crc32): SlotContent {
  if (sector.every((byte) => byte === 0)) return { state: 'empty' };
  if (sector.length !== HEAD_SLOT_BYTES) return { state: 'damaged' };
  const reader = new ByteReader(sector);
  const storedCrc = new ByteReader(sector, CRC_AT).u32();
  if (reader.u32() !== MAGIC || crc32(sector.subarray(0, CRC_AT)) !== storedCrc) return { state: 'damaged' };
  const format = reader.u8();
  if (format !== FORMAT && format !== FORMAT_WITHOUT_DAMAGE) return { state: 'unknown' };
  try {
    return { state: 'valid', sequence: reader.u64(), record: decodeRecord(reader) };
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) return { state: 'damaged' };
    throw error;
  }
}

function decodeRecord(reader: ByteReader): HeadRecord {
  const cluster = { high: reader.u32(), low: reader.u32() };
  const peerId = toPeerId(reader.ascii());
  const incarnation = incarnationText(reader.raw(16));
  const term = reader.u64();
  const vote = reader.ascii();
  const known = {
    cluster,
    peerId,
    incarnation,
    hardState: { term, votedFor: vote === '' ? undefined : toPeerId(vote) },
    lastIndex: reader.u64(),
    lastTerm: reader.u64(),
    chain: { high: reader.u32(), low: reader.u32() },
    boot: reader.u32(),
  };
  const flags = reader.u8();
  const recorded = { lastIndex: reader.u64(), lastTerm: reader.u64() };
  return {
    ...known,
    // Zeros, where an earlier version wrote it.
    entryTerm: reader.u64(),
    damage: (flags & DAMAGED) === 0 ? undefined : recorded,
    stateDistrusted: (flags & STATE_DISTRUSTED) !== 0,
    shared: (flags & (SHARED | NOT_SHARED)) === 0 ? undefined : (flags & SHARED) !== 0,
  };
}

/**
 * HEAD while it is in use. Writes alternate: the slot that was synced last is not touched before the other one is synced,
 * so at any crash one whole slot is there, and it is the newest that was synced or a later one.
 *
 *     written:  slot A (synced) ── write ─▶ B, B, B … ── sync ─▶ B (synced) ── write ─▶ A, A …
 */
export class Head {
  readonly #disk: Disk;
  readonly #crc32: Crc32;
  readonly #latch: FailureLatch;
  readonly #writer = new ByteWriter(HEAD_SLOT_BYTES);
  #record: HeadRecord;
  /** Of the newest write. Every write has a higher one. */
  #sequence: number;
  /** Invariant: not written while `#dirty` or a sync is under way. */
  #syncedSlot: HeadSlot;
  /** True when the other slot was written since it became the other one. */
  #dirty = false;
  #syncing: Promise<void> | undefined;

  /** @param synced The newest slot, which is known to be durable. */
  constructor(
    disk: Disk,
    crc32: Crc32,
    latch: FailureLatch,
    synced: { readonly slot: HeadSlot; readonly sequence: number; readonly record: HeadRecord },
  ) {
    this.#disk = disk;
    this.#crc32 = crc32;
    this.#latch = latch;
    this.#syncedSlot = synced.slot;
    this.#sequence = synced.sequence;
    this.#record = synced.record;
  }

  /** What was written last, durable or not. */
  get record(): HeadRecord {
    return this.#record;
  }

  /** The sync under way, which a write must wait for; undefined when there is none. */
  get syncing(): Promise<void> | undefined {
    return this.#syncing;
  }

  /**
   * Writes the change that `make` returns, once no sync is under way. Several may wait: each looks again in the very turn in which it
   * writes, since another one may have begun the next sync.
   */
  async note(make: () => HeadChange): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing;
    this.write(make());
  }

  /** As `note`, and makes it durable. */
  async save(make: () => HeadChange): Promise<void> {
    await this.note(make);
    await this.sync();
  }

  /** Writes the next state, unsynced. Not while a sync is under way. @throws StorageError `STORAGE_FAILED` */
  write(change: HeadChange): void {
    if (this.#latch.failure !== undefined) throw this.#latch.failure;
    assert(this.#syncing === undefined, 'a slot is not written while it is synced');
    const record = changed(this.#record, change);
    assert(record.hardState.term >= this.#record.hardState.term, 'the term in HEAD never goes back');
    encodeSlot(this.#writer, this.#sequence + 1, record, this.#crc32);
    try {
      this.#disk.writeHeadSlot(this.#syncedSlot === 0 ? 1 : 0, this.#writer.view());
    } catch (error) {
      throw this.#latch.fail('writing HEAD', error);
    }
    this.#sequence += 1;
    this.#record = record;
    this.#dirty = true;
  }

  /** Makes what was written durable. Does nothing when it is. Joins a sync that is under way. */
  sync(): Promise<void> {
    if (this.#syncing !== undefined) return this.#syncing;
    if (!this.#dirty) return Promise.resolve();
    this.#syncing = this.#syncOnce();
    return this.#syncing;
  }

  async #syncOnce(): Promise<void> {
    try {
      await this.#latch.guard('syncing HEAD', () => this.#disk.syncHead());
      this.#syncedSlot = this.#syncedSlot === 0 ? 1 : 0;
      this.#dirty = false;
    } finally {
      this.#syncing = undefined;
    }
  }
}
