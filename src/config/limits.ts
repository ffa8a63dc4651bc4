/**
 * The bounds of one peer, and the relations between them. They shape how much a peer holds and does at a time, never what the
 * state becomes, so members may differ in them.
 */
import { assert } from '../base/assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** See `PEER_LIMITS` for the defaults and their reasons. */
export interface PeerLimits {
  /** A batch closes when the next command would bring it over this many bytes; a single larger command goes alone. */
  readonly batchBytesMax: number;
  /**
   * A batch closes when the next command would bring it over this many task moves. Applying one is a single step, and a task
   * that ends lets another one start, so there may be twice as many moves in it.
   */
  readonly batchMovesMax: number;
  /** Largest single command: what the largest frame of a client (5 MiB) may become in the log's own form. */
  readonly commandBytesMax: number;
  /** Bytes of commands that wait for a batch, over all lanes: the bound for completions. */
  readonly queueBytesMax: number;
  /** Above this, dispatch is refused; completions are still taken. */
  readonly queueDispatchBytesMax: number;
  /** Above this, submissions are refused; the rest is still taken. */
  readonly queueSubmissionBytesMax: number;
  /** Bytes of entries in one append to a follower, at least one entry. */
  readonly appendBytesMax: number;
  /** Appends on their way to one follower. */
  readonly inflightAppendsMax: number;
  /** Bytes on their way to one follower. */
  readonly inflightBytesMax: number;
  /** Bytes of entries that are appended and not committed; a leader without a majority takes no more. */
  readonly uncommittedBytesMax: number;
  /** Newest entries held in memory for followers that are a little behind. */
  readonly entriesInMemoryBytesMax: number;
  /** Entries in one write to the log, so that a peer that is brought up to date goes on answering meanwhile. */
  readonly persistEntriesMax: number;
  /** Bytes of committed entries handed out for applying at a time. */
  readonly applyBytesMax: number;
  /** How long applying holds the event loop before it lets others in, in ms. An entry is not cut. */
  readonly applySliceMs: number;
  /** How long putting a checkpoint together holds the event loop, in ms. */
  readonly checkpointSliceMs: number;
  /** Under load a mark is proposed this often, in ms. */
  readonly checkpointIntervalMs: number;
  /** A mark is proposed when this much log was written since the last, in bytes. */
  readonly checkpointLogBytes: number;
  /** How much applied log is kept for followers that come back, in bytes. */
  readonly logTailBytes: number;
  /** And for how long, in ms; the stricter of the two counts. */
  readonly logTailMs: number;
  /** Blocks of finished tasks kept in memory for repeated reads. */
  readonly blockCacheCount: number;
  /** Reads that wait for a confirmation of leadership. */
  readonly readsMax: number;
  /** A page of a snapshot ends with the record that reaches this many bytes. */
  readonly snapshotPageBytes: number;
  /** Snapshots are sent no faster than this, in bytes a second: they share disk and network with the work itself. */
  readonly snapshotBytesPerSecond: number;
  /**
   * How much log is kept at most, beyond the tail, for a follower that is connected and behind, in bytes: dropping what it is
   * about to get would only make it begin again.
   */
  readonly logHoldBytes: number;
  /** With less free than this the disk is low: a leader then takes no more submissions. In bytes; 0 for never. */
  readonly spaceLowBytes: number;
  /** Bytes of the state database that are read and checked each second, whether or not anybody asks for them; 0 for none. */
  readonly scrubBytesPerSecond: number;
  /** How often the free space is asked for, in ms. */
  readonly spacePollMs: number;
}

/** The defaults. */
export const PEER_LIMITS: PeerLimits = {
  batchBytesMax: MIB,
  batchMovesMax: 600,
  commandBytesMax: 6 * MIB,
  queueBytesMax: 64 * MIB,
  queueDispatchBytesMax: 48 * MIB,
  queueSubmissionBytesMax: 32 * MIB,
  appendBytesMax: MIB,
  inflightAppendsMax: 256,
  inflightBytesMax: 32 * MIB,
  uncommittedBytesMax: 64 * MIB,
  entriesInMemoryBytesMax: 64 * MIB,
  persistEntriesMax: 1_024,
  applyBytesMax: 8 * MIB,
  applySliceMs: 2,
  checkpointSliceMs: 2,
  checkpointIntervalMs: 1_000,
  checkpointLogBytes: 16 * MIB,
  logTailBytes: GIB,
  logTailMs: 10 * 60_000,
  blockCacheCount: 64,
  readsMax: 16_384,
  snapshotPageBytes: 256 * KIB,
  snapshotBytesPerSecond: 64 * MIB,
  logHoldBytes: 2 * GIB,
  spaceLowBytes: 256 * MIB,
  scrubBytesPerSecond: 256 * KIB,
  spacePollMs: 1_000,
};

/** `overrides` over the defaults. @throws InvariantError when the result breaks a relation between two limits */
export function peerLimits(overrides: Partial<PeerLimits> = {}): PeerLimits {
  const limits = { ...PEER_LIMITS, ...overrides };
  assert(limits.batchBytesMax >= 1 && limits.batchMovesMax >= 1, 'a batch takes at least one command');
  assert(limits.commandBytesMax >= limits.batchBytesMax, 'a full batch is no larger than what one command may be');
  assert(
    limits.queueSubmissionBytesMax >= limits.commandBytesMax,
    'an empty queue takes the largest command, else that could never be proposed',
  );
  assert(
    limits.queueSubmissionBytesMax <= limits.queueDispatchBytesMax &&
      limits.queueDispatchBytesMax <= limits.queueBytesMax,
    'submissions are refused before dispatch, and dispatch before completions',
  );
  assert(
    limits.inflightBytesMax >= limits.appendBytesMax,
    'one full append fits the window, else a follower behind would never get it',
  );
  assert(
    limits.entriesInMemoryBytesMax >= limits.uncommittedBytesMax,
    'what may yet be truncated is in memory, so that no conflict has to be resolved from the disk',
  );
  assert(limits.persistEntriesMax >= 1, 'a write takes at least one entry');
  assert(limits.applyBytesMax >= 1 && limits.applySliceMs > 0, 'applying makes progress');
  assert(
    limits.applySliceMs <= 20 && limits.checkpointSliceMs <= 20,
    'nothing holds the event loop for longer than 20 ms',
  );
  assert(limits.checkpointIntervalMs >= 1 && limits.checkpointLogBytes >= 1, 'marks have a distance');
  assert(limits.logTailBytes >= 0 && limits.logTailMs >= 0, 'a tail is not negative');
  assert(limits.snapshotPageBytes >= 1 && limits.snapshotBytesPerSecond >= 1, 'a snapshot makes progress');
  assert(limits.snapshotPageBytes <= 4 * MIB, 'a page with its last record fits a frame');
  assert(limits.logHoldBytes >= 0 && limits.spaceLowBytes >= 0, 'bounds are not negative');
  assert(limits.scrubBytesPerSecond >= 0 && limits.scrubBytesPerSecond <= 4 * MIB, 'a scrub is slow');
  assert(limits.spacePollMs >= 10, 'looking at the disk is not the only thing to do');
  assert(limits.blockCacheCount >= 1 && limits.readsMax >= 1, 'caches and queues hold at least one');
  return limits;
}
