/** The single record of numbers that count on and instants that hold for everything. */
import { ByteReader, type ByteWriter } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { SEQUENCE_START } from './groups.ts';
import { type RecordSource, RecordTable } from './memory/records.ts';
import { SCHEDULER_TABLE_IDS } from './table-ids.ts';

const SLOT = 0;

/** Numbers of the whole state. Change them only after `touch`. */
export class Meta implements RecordSource {
  readonly table: RecordTable;
  /** Stamp of the last entry. Never goes back. */
  logTimeMs = 0;
  /** The number of the next task. */
  nextNumber = 1;
  /** The last fencing token that was given out. Grows by one with each placement, and by 2^44 with each epoch. */
  lastToken = 0;
  /** The place in line of the next task that becomes ready, and of the last one that was put before everybody. */
  nextSequence: number = SEQUENCE_START;
  frontSequence: number = SEQUENCE_START;
  lastRegistration = 0;
  /** Number of the next session. */
  nextSession = 1;
  term = 0;
  /** Until then nothing is taken from a worker: one lease from the begin of the term. */
  verdictsFromMs = 0;
  /** Starts of attempts. */
  placed = 0;
  crashes = 0;
  refusedStale = 0;
  refusedFinal = 0;
  repeatedSubmissions = 0;
  lostWorkers = 0;
  /** The number of the last schedule that was made; 0 before the first. */
  lastSchedule = 0;

  constructor(crc32: Crc32) {
    this.table = new RecordTable({ id: SCHEDULER_TABLE_IDS.meta, name: 'counters', format: 1, crc32, source: this });
  }

  /** The state is new: there was no record of it. */
  begin(): void {
    this.table.add(SLOT);
  }

  touch(): void {
    this.table.touch(SLOT);
  }

  keyOf(): number {
    return SLOT;
  }

  encode(_slot: number, writer: ByteWriter): undefined {
    writer.varint(this.logTimeMs);
    writer.varint(this.nextNumber);
    writer.varint(this.lastToken);
    writer.varint(this.nextSequence);
    writer.varint(this.frontSequence);
    writer.varint(this.lastRegistration);
    writer.varint(this.nextSession);
    writer.varint(this.term);
    writer.varint(this.verdictsFromMs);
    writer.varint(this.placed);
    writer.varint(this.crashes);
    writer.varint(this.refusedStale);
    writer.varint(this.refusedFinal);
    writer.varint(this.repeatedSubmissions);
    writer.varint(this.lostWorkers);
    // Without schedules the record is what it was before there were any.
    if (this.lastSchedule > 0) writer.varint(this.lastSchedule);
  }

  restore(_key: number, value: Uint8Array): number {
    const reader = new ByteReader(value, 1);
    this.logTimeMs = reader.varint();
    this.nextNumber = reader.varint();
    this.lastToken = reader.varint();
    this.nextSequence = reader.varint();
    this.frontSequence = reader.varint();
    this.lastRegistration = reader.varint();
    this.nextSession = reader.varint();
    this.term = reader.varint();
    this.verdictsFromMs = reader.varint();
    this.placed = reader.varint();
    this.crashes = reader.varint();
    this.refusedStale = reader.varint();
    this.refusedFinal = reader.varint();
    this.repeatedSubmissions = reader.varint();
    this.lostWorkers = reader.varint();
    if (reader.remaining > 0) this.lastSchedule = reader.varint();
    reader.end();
    return SLOT;
  }
}
