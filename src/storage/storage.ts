/**
 * What one peer keeps on its disk, and how far it can be trusted.
 *
 * In: batches of the Raft core (hard state, entries, truncations), the records of checkpoints, and states that come from other
 * peers, from `src/peer`. Out: the promise that they are durable, what was recovered at start, and a `StorageError` with one
 * clear sentence when what lies there is not what was written and cannot be made whole.
 *
 *     Disk (port)          LevelDisk | MemoryDisk | the simulator's faulty disk
 *      ├─ database "log"   log-storage.ts   entries, one meta record a batch, identity, founding, generation of the state
 *      ├─ database "state" state-storage.ts records of the state machine, one checkpoint record, identity
 *      │  "state-2" …      snapshot-staging.ts  the next generation, while it arrives
 *      ├─ file HEAD        head.ts          two slots: identity, starts, term, vote, last durable index, recorded damage
 *      └─ file ballast     ballast-keeper.ts    room to give back
 *     data-directory.ts opens all of it in order and checks the parts against each other; directory-repair.ts and
 *     log-repair.ts do about damage what one peer can.
 *
 *     opened ──first failed write──▶ failed ───────────────────────┐
 *       ├────── install, distrustState ──▶ ended ──────────────────┼──▶ closed, and opened anew
 *       └────── close ─────────────────────────────────────────────┘
 *
 * Invariants
 * - Nothing is acknowledged before it is synced: a batch of the log, a checkpoint, a vote in HEAD.
 * - Every record carries a CRC, every entry the hash of the chain before it; all are checked at open and when read.
 * - HEAD never runs ahead of the log: it is written after the batch, and lowered and synced before a truncation.
 *   So a log that ends before HEAD, or does not chain to it, has lost something.
 * - What was acknowledged and is lost is recorded in HEAD before anything is cut, and stays recorded until `healed`.
 * - One write is in flight in each database. The first that fails ends all writing and all reading until the next open.
 *
 * LevelDB alone promises less than that: it drops damaged blocks of its log in silence, returns rotten table data without an
 * error or ends the process over it, and goes on acknowledging after a failed write.
 *
 * Not here: what an entry or a state record means, when to checkpoint or compact, and where what was lost comes from. Not seen
 * here, because one peer alone cannot: that the whole directory, HEAD included, is an older copy of itself (`boot` lets others
 * see it); that a disk lied about a sync and lost the newest of HEAD and log together; that power and the last second's records
 * failed together, since HEAD's last index is synced once a second.
 */
import type { Hash64 } from '../base/hash.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Entry, HardState, TermRun } from '../raft/types.ts';
import type { StorageError } from './storage-error.ts';

/** Whose directory this is. Written before anything else and never changed. */
export interface Identity {
  /** The id in `cluster.json`. */
  readonly clusterId: string;
  readonly peerId: PeerId;
  /** 32 hexadecimal digits drawn when the directory was made: the same peer id on a new disk is another incarnation. */
  readonly incarnation: string;
}

/** A member of the founding configuration, as it introduced itself. */
export interface Founder {
  readonly peerId: PeerId;
  readonly incarnation: string;
}

/** What this peer knows about the founding of its cluster. Written before its first vote. */
export interface Founding {
  /** True when the cluster was founded with this very incarnation in it. */
  readonly founded: boolean;
  /** The incarnations heard of the founders, at most `FOUNDERS_MAX`. */
  readonly heard: readonly Founder[];
  /** True when `heard` lists every founder, those of whom no incarnation was heard with zeros. Records of old do not. */
  readonly whole?: boolean;
}

/** What this peer has heard of the data directory of another. */
export interface HeardBoot {
  readonly incarnation: string;
  /** How often it was opened, at least: see `OpenedStorage.boot`. */
  readonly boot: number;
  /** The mark of that opening; 0 where none was told. */
  readonly mark: number;
}

/** Most directories of which that is remembered. */
export const HEARD_BOOTS_MAX = 64;

/** Most founders that a record names. */
export const FOUNDERS_MAX = 16;

/** One batch of the Raft core: all of it becomes durable, or none. */
export interface LogBatch {
  /** The new term and vote, when either changed. */
  readonly hardState?: HardState | undefined;
  /** Entries from here on are not in the log any more; `entries` then begins here. */
  readonly truncateFrom?: LogIndex | undefined;
  /** In order and without gaps, from `truncateFrom`, else from behind the last entry. */
  readonly entries: readonly Entry[];
}

/** An entry that changes the configuration, as it lies in the log. */
export interface RecoveredConfiguration {
  readonly index: LogIndex;
  readonly data: Uint8Array;
}

/** What the log held at start, checked record by record; what was applied and committed the state database knows. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /** The first entry that is retained; `lastIndex + 1` when there is none. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** The term of entry `firstIndex - 1`; 0 when `firstIndex` is 1. */
  readonly prevTerm: Term;
  /** One run for each distinct term in the log, ascending. */
  readonly termRuns: readonly TermRun[];
  /** The newest entries up to `lastIndex`, as many as the budget of the options holds. */
  readonly entries: readonly Entry[];
  /** Every entry of the kind `configuration` that is retained, ascending, with data of its own. */
  readonly configurations: readonly RecoveredConfiguration[];
}

/** A place in the log: an entry, or 0 for before the first, with its term and the hash of the chain of entries up to it. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: Hash64;
}

/**
 * What this peer had acknowledged before its log was cut at a damage. It goes on voting by it and never campaigns, until
 * `OpenedStorage.healed` was called.
 */
export interface Damage {
  /** The first entry that has to be fetched from the others again. */
  readonly from: LogIndex;
  /** The last entry that was acknowledged, or a later one. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** The Raft log of one peer. Every call rejects with `STORAGE_FAILED` after the first failed write. */
export interface LogStorage {
  readonly firstIndex: LogIndex;
  /** The last durable entry. */
  readonly lastIndex: LogIndex;
  /** Bytes of the records from `firstIndex` to `lastIndex`. */
  readonly sizeBytes: number;
  /**
   * Bytes of the records from `index` on, to within `SIZE_MARK_BYTES` above. It answers how much compaction up to there
   * would leave, and how much a peer that is down holds back.
   */
  bytesFrom(index: LogIndex): number;
  /**
   * Makes `batch` durable, and brings HEAD up to it. Votes and acknowledgements that rest on it may leave when the promise
   * is fulfilled. One append is in flight at a time; this is asserted. An empty batch writes nothing.
   * @throws StorageError `STORAGE_FAILED`, or `LOG_DAMAGED` when a truncation finds the record before it damaged.
   */
  append(batch: LogBatch): Promise<void>;
  /**
   * Durable entries `from` to `to`, both inclusive, at least one and then as many as fit `maxBytes` of data; `'compacted'`
   * when `from` is before `firstIndex`.
   * @throws StorageError `LOG_DAMAGED` with the index of a record that is not what was written.
   */
  read(from: LogIndex, to: LogIndex, maxBytes: number): Promise<readonly Entry[] | 'compacted'>;
  /**
   * Lets go of the entries before `firstIndex`, which becomes the first. Fulfilled when that stands in memory; the disk
   * follows with the next appends, a bounded number of records with each. The caller has a durable checkpoint at
   * `firstIndex - 1` or behind it. Does nothing when the log already begins there or later.
   */
  compact(firstIndex: LogIndex): Promise<void>;
  /**
   * The position of entry `index`, for `firstIndex - 1 <= index <= lastIndex`; asserted. Peers with the same entries have the
   * same chain, unless one lost the beginning of its log to damage: so a difference means something, and equality too, but
   * only the index and the term say whether two logs agree.
   * @throws StorageError `LOG_DAMAGED`
   */
  positionAt(index: LogIndex): Promise<LogPosition>;
}

/** What a checkpoint says about itself. */
export interface Checkpoint {
  /** The last entry that the state includes. */
  readonly index: LogIndex;
  readonly term: Term;
  /** Log time after that entry, in ms. */
  readonly logTimeMs: number;
  /** The configuration of the cluster at `index`, as the peer encodes it. */
  readonly configuration: Uint8Array;
  /** The digest of the state, as the scheduler computes it. */
  readonly digest: Hash64;
}

/** A record of the state machine: both halves are opaque here. Keys are 1 to `STATE_KEY_BYTES_MAX` bytes. */
export interface StateRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Longest key of a state record. */
export const STATE_KEY_BYTES_MAX = 1024;

/** A checkpoint while it is put together; nothing of it is on the disk before `commit`. */
export interface CheckpointWriter {
  /** Bytes of keys and values so far. */
  readonly sizeBytes: number;
  /** Takes the bytes over at once. */
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
  /** Writes everything and the checkpoint's own record atomically, synced. One commit is in flight at a time. */
  commit(checkpoint: Checkpoint): Promise<void>;
  /** Gives it up. Does nothing after `commit`. */
  discard(): void;
}

/** A page of a range of state records, see `RangeOptions`. Without `gte` and `lt` it is everything. */
export interface StateRangeOptions {
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  /** Highest key first. Default false. */
  readonly reverse?: boolean;
  readonly limit: number;
  /** The page ends with the record that reaches this many bytes. Default 1 MiB. */
  readonly maxBytes?: number;
}

/**
 * The state database. Reads see the last committed checkpoint. Every call rejects with `STORAGE_FAILED` after the first
 * failed write, and reads with `STATE_DAMAGED` when a record is not what was written.
 */
export interface StateStorage {
  /** The last committed checkpoint; undefined before the first. */
  readonly checkpoint: Checkpoint | undefined;
  beginCheckpoint(): CheckpointWriter;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** One page; an empty one is the end. For the next begin at the key that `keyAfter` makes of the last. */
  range(options: StateRangeOptions): Promise<readonly StateRecord[]>;
}

/** What a state is to become that comes from another peer. */
export interface SnapshotOffer {
  readonly checkpoint: Checkpoint;
  /** The position of the entry that it ends with. */
  readonly base: LogPosition;
}

/** A state that was on its way when the directory was closed, or its process ended. It goes on behind the records that are there. */
export interface ResumedSnapshot extends SnapshotOffer {
  readonly staging: SnapshotStaging;
  /** Of the last record that is there; empty where none is. */
  readonly lastKey: Uint8Array;
  /** Bytes of keys and values that are there. */
  readonly receivedBytes: number;
}

/**
 * A state on its way from another peer: it is built in a generation of its own, beside the one in use, and the switch to it
 * is one record in the log database.
 *
 *     add* ─▶ finish ─▶ install ─▶ (close the storage, and open it anew)
 *
 * A crash before the end of `install` leaves the old state and log, one after it the new; nothing in between. What a crash
 * leaves of a staging is removed at the next open, or where it was begun with an offer kept for `resumeSnapshot`.
 */
export interface SnapshotStaging {
  /** Bytes of keys and values so far. */
  readonly sizeBytes: number;
  /**
   * Writes the next records: keys ascend within a call and from call to call, which is asserted. The bytes are the caller's
   * again when the promise is fulfilled. One call is in flight at a time; this is asserted. 1 MiB at once is a good measure.
   */
  add(records: readonly StateRecord[]): Promise<void>;
  /**
   * Writes the checkpoint's own record and reads everything back. `checkpoint` is at `base.index`, of `base.term`; this is
   * asserted.
   * @throws StorageError `STATE_DAMAGED` when what is read is not what was added, or the log begins only behind `base`. The
   *   staging is then to be discarded.
   */
  finish(checkpoint: Checkpoint, base: LogPosition): Promise<void>;
  /**
   * Switches to this state. When the log has the entry at `base`, of its term, the log stays as it is; else all its entries
   * go, and it begins anew behind `base`. Waits for an append or a checkpoint that is under way; whatever else is asked of
   * the storage from this call on is refused: it is to be closed, and opened anew. Kept are term, vote and recorded damage.
   * @throws StorageError `STATE_DAMAGED`, with nothing changed, when the log begins only behind `base`
   */
  install(): Promise<void>;
  /** Gives it up and removes what was written. Does nothing after `install`. */
  discard(): Promise<void>;
}

/** Room on the file system of the directory. */
export interface Space {
  readonly freeBytes: number;
  /** True while the ballast is there: room of our own that is given back at the first write that finds none. */
  readonly ballast: boolean;
}

/** A data directory that was opened and found whole, or was made whole as far as this peer can do that by itself. */
export interface OpenedStorage {
  readonly identity: Identity;
  /**
   * How often this directory was opened, this time included; durable before the storage is handed out. A directory that
   * comes with a lower number than was heard of its incarnation is an old copy: what it had acknowledged and voted since is
   * lost, which it cannot see by itself.
   */
  readonly boot: number;
  /**
   * Drawn at this opening, 1 to 2^32 - 1. A directory that was copied, opened, and put back from the copy is opened as often as
   * it was heard of, and known as a copy by another mark.
   */
  readonly bootMark: number;
  readonly founding: Founding;
  /** What `saveHeardBoots` wrote last; empty where that was lost. */
  readonly heardBoots: readonly HeardBoot[];
  /** Set when entries that this peer had acknowledged were lost and are not yet fetched again. */
  readonly damage: Damage | undefined;
  /**
   * True when other peers have a copy of what this one has acknowledged, as `saveShared` said last; undefined before it ever did.
   * It decides what is done about damage: with copies elsewhere it is cut out and fetched again, without any it is left for a
   * person to look at.
   */
  readonly shared: boolean | undefined;
  /**
   * True when the state was lost and cannot be made anew from the log, which no longer begins at entry 1: then
   * `state.checkpoint` is undefined, and a snapshot at `log.firstIndex - 1` or behind it must be installed.
   */
  readonly stateMissing: boolean;
  readonly log: LogStorage;
  readonly state: StateStorage;
  /** Set by the first failed write; from then on nothing is acknowledged. */
  readonly failure: StorageError | undefined;
  /** Harmless oddities met at open, as sentences for the log. */
  readonly notes: readonly string[];
  /** What the log held at start. Taken once, since it holds megabytes of entries. */
  takeRecovered(): RecoveredLog;
  /** Replaces the founding record, durably. Not while an append is in flight. */
  saveFounding(founding: Founding): Promise<void>;
  /** Replaces what is known of the directories of others, durably; at most `HEARD_BOOTS_MAX`. Not while an append is in flight. */
  saveHeardBoots(boots: readonly HeardBoot[]): Promise<void>;
  /** All that was lost was fetched again and is durable: forgets `damage`, durably. */
  healed(): Promise<void>;
  /**
   * Marks the state as damaged, durably: the next open drops it and makes it anew, from the log or from a snapshot. From this
   * call on everything else is refused with `STATE_DAMAGED`: the storage is to be closed, and may be opened anew.
   * @param reason What was found, as a part of a sentence: "its digest at entry 7 differs from that of p2 and p3".
   */
  distrustState(reason: string): Promise<void>;
  /**
   * Notes, durably, that this peer has acknowledged `lost` to `leader`, who leads `term`, and that it is not in the log: it is `damage`
   * from the next open on, unless that reaches further already. A vote in `term` that is not on record is one for the leader: another one that was given and
   * forgotten must not be given again. From this call on everything else is refused with `LOG_TAIL_LOST`: the storage is to be closed,
   * and may be opened anew.
   */
  noteLoss(lost: Omit<Damage, 'from'>, leader: PeerId, term: Term): Promise<void>;
  /**
   * Notes, durably, whether other peers have a copy from here on. False is said before the first entry is written of which there
   * may be no other copy, true only when all that is acknowledged is elsewhere too. Not while an append is in flight.
   */
  saveShared(shared: boolean): Promise<void>;
  /** What is there for `resumeSnapshot` ends with this entry; undefined when nothing is. */
  readonly stagedIndex: LogIndex | undefined;
  /**
   * Takes up a state that was begun with an offer before this opening: `take` gets the records that came, in order and page by page.
   * Undefined when there is none, or what there is does not read, or `take` throws a DecodeError; it is removed then.
   */
  resumeSnapshot(take: (records: readonly StateRecord[]) => void): Promise<ResumedSnapshot | undefined>;
  /** Removes what there is for `resumeSnapshot`. */
  discardStaged(): Promise<void>;
  /**
   * Begins a state that comes from another peer, when those that were discarded are gone, and in place of what there is for
   * `resumeSnapshot`. With `offer` it can be taken up again after the next opening.
   */
  beginSnapshot(offer?: SnapshotOffer): Promise<SnapshotStaging>;
  /** Asks for the room that is left, and takes the ballast again when there is plenty. */
  space(): Promise<Space>;
  /**
   * Makes HEAD durable as it stands; called about once a second by the owner of the clock. Does nothing when nothing
   * changed. Appends that come meanwhile wait for it.
   */
  syncHead(): Promise<void>;
  /** Ends what is under way, syncs HEAD, and lets go of the directory. Repeated calls do nothing. */
  close(): Promise<void>;
}
