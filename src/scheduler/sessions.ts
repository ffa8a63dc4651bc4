/**
 * Client sessions: the answers to a client's last submissions, so that one that is sent again is answered and not done again
 * (Raft thesis, section 6.3). A client numbers its submissions and says below which number it has all answers.
 */
import { assert } from '../base/assert.ts';
import { ByteReader, type ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { decodeCount } from './decode-parts.ts';
import { type RecordSource, RecordTable } from './memory/records.ts';
import type { Refusal, SchedulerErrorCode, Submitted } from './outcome.ts';
import { Slots } from './slots.ts';
import { SCHEDULER_TABLE_IDS } from './table-ids.ts';

/** The codes of errors that an answer may hold, by number; 0 stands for none. A number is never used for anything else. */
const ERROR_CODES: readonly (SchedulerErrorCode | undefined)[] = [
  undefined,
  'NOT_FOUND',
  'ALREADY_FINAL',
  'STALE_LEASE',
  'KEY_CONFLICT',
  'KEY_TABLE_FULL',
  'SESSION_EXPIRED',
  'SESSION_LIMIT',
  'QUEUE_LIMIT',
  'TASK_LIMIT',
  'WORKER_LIMIT',
  'WORKER_ID_IN_USE',
  'INVALID_TRANSITION',
  'INVALID_ARGUMENT',
];

type Existing = Submitted['existing'];

/** What a session remembers of a submission: numbers in columns, since there is an answer for every submission under way. */
export interface Session {
  readonly number: number;
  readonly slot: number;
  readonly id: string;
  /** Answers below were forgotten, or are not wanted any more. Never goes back. */
  floor: number;
  /** Ascending, all of `floor` and above. The other columns run beside it. */
  readonly sequences: number[];
  readonly firstNumbers: number[];
  /** Tasks created; of a refusal, its position and one. */
  readonly counts: number[];
  /** Number of the error code; 0 when the submission was taken. */
  readonly errors: number[];
  /** By sequence, for the few answers that name tasks that were there before. */
  readonly existing: Map<number, Existing>;
  /** Invariant: positions in all of `existing`. */
  existingCount: number;
}

/** See `SchedulerLimits`, which has them. */
export interface SessionBounds {
  readonly sessionsMax: number;
  readonly answersMax: number;
  readonly existingMax: number;
}

/** All sessions. */
export class Sessions implements RecordSource {
  readonly table: RecordTable;
  readonly slots: Slots<Session> = new Slots();
  readonly #byId: Map<string, Session> = new Map();
  readonly #bounds: SessionBounds;

  constructor(crc32: Crc32, bounds: SessionBounds) {
    this.#bounds = bounds;
    this.table = new RecordTable({
      id: SCHEDULER_TABLE_IDS.sessions,
      name: 'sessions',
      format: 1,
      crc32,
      source: this,
    });
  }

  get count(): number {
    return this.#byId.size;
  }

  find(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  /** True when there is room for another session. */
  get hasRoom(): boolean {
    return this.#byId.size < this.#bounds.sessionsMax;
  }

  /** Begins a session that does not exist. */
  open(id: string, number: number): void {
    assert(!this.#byId.has(id) && this.hasRoom, 'a session is opened once, and within the bound');
    const session = newSession(number, this.slots.nextSlot, id);
    this.slots.add(session);
    this.#byId.set(id, session);
    this.table.add(session.slot);
  }

  end(session: Session): void {
    this.table.remove(session.slot);
    this.slots.remove(session.slot);
    this.#byId.delete(session.id);
  }

  /** The answer that was given to `sequence`; undefined when it was given none; `expired` when it would have been forgotten. */
  answer(session: Session, sequence: number): Submitted | Refusal | 'expired' | undefined {
    const at = placeOf(session.sequences, sequence);
    if (session.sequences[at] !== sequence) return sequence < session.floor ? 'expired' : undefined;
    const error = ERROR_CODES[session.errors[at] as number];
    const count = session.counts[at] as number;
    if (error !== undefined) return { type: 'refused', code: error, position: count - 1 };
    return {
      type: 'submitted',
      firstNumber: session.firstNumbers[at] as number,
      created: count,
      existing: session.existing.get(sequence) ?? [],
      repeated: true,
    };
  }

  /** Forgets the answers below `answeredBelow`, which the client has. */
  forget(session: Session, answeredBelow: number): void {
    if (answeredBelow <= session.floor) return;
    this.table.touch(session.slot);
    session.floor = answeredBelow;
    this.#drop(session, placeOf(session.sequences, answeredBelow));
  }

  /** Keeps the answer to `sequence`, and lets the oldest go where there are too many. */
  keep(session: Session, sequence: number, answer: Submitted | Refusal): void {
    this.table.touch(session.slot);
    const at = placeOf(session.sequences, sequence);
    assert(session.sequences[at] !== sequence, 'a submission is answered once');
    session.sequences.splice(at, 0, sequence);
    if (answer.type === 'refused') {
      session.firstNumbers.splice(at, 0, 0);
      session.counts.splice(at, 0, answer.position + 1);
      session.errors.splice(at, 0, ERROR_CODES.indexOf(answer.code));
    } else {
      session.firstNumbers.splice(at, 0, answer.firstNumber);
      session.counts.splice(at, 0, answer.created);
      session.errors.splice(at, 0, 0);
      if (answer.existing.length > 0) {
        session.existing.set(sequence, answer.existing);
        session.existingCount += answer.existing.length;
      }
    }
    while (session.sequences.length > this.#bounds.answersMax || session.existingCount > this.#bounds.existingMax) {
      session.floor = (session.sequences[0] as number) + 1;
      this.#drop(session, 1);
    }
  }

  #drop(session: Session, count: number): void {
    if (count === 0) return;
    if (session.existing.size > 0) {
      for (const sequence of session.sequences.slice(0, count)) {
        session.existingCount -= session.existing.get(sequence)?.length ?? 0;
        session.existing.delete(sequence);
      }
    }
    session.sequences.splice(0, count);
    session.firstNumbers.splice(0, count);
    session.counts.splice(0, count);
    session.errors.splice(0, count);
  }

  keyOf(slot: number): number {
    return this.slots.at(slot).number;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    const session = this.slots.at(slot);
    writer.ascii(session.id);
    writer.varint(session.floor);
    writer.varint(session.sequences.length);
    for (let at = 0; at < session.sequences.length; at += 1) {
      const sequence = session.sequences[at] as number;
      writer.varint(sequence);
      writer.varint(session.firstNumbers[at] as number);
      writer.varint(session.counts[at] as number);
      writer.u8(session.errors[at] as number);
      const existing = session.existing.get(sequence) ?? [];
      writer.varint(existing.length);
      for (const { position, number } of existing) {
        writer.varint(position);
        writer.varint(number);
      }
    }
  }

  restore(number: number, value: Uint8Array): number {
    const reader = new ByteReader(value, 1);
    const session = newSession(number, this.slots.nextSlot, reader.ascii());
    session.floor = reader.varint();
    for (let left = decodeCount(reader); left > 0; left -= 1) {
      const sequence = reader.varint();
      session.sequences.push(sequence);
      session.firstNumbers.push(reader.varint());
      session.counts.push(reader.varint());
      session.errors.push(reader.u8());
      const existing = Array.from({ length: decodeCount(reader) }, () => ({
        position: reader.varint(),
        number: reader.varint(),
      }));
      if (existing.length === 0) continue;
      session.existing.set(sequence, existing);
      session.existingCount += existing.length;
    }
    reader.end();
    if (this.#byId.has(session.id)) throw new DecodeError(`the session ${session.id} is there twice`);
    this.slots.add(session);
    this.#byId.set(session.id, session);
    return session.slot;
  }
}

function newSession(number: number, slot: number, id: string): Session {
  return {
    number,
    slot,
    id,
    floor: 0,
    sequences: [],
    firstNumbers: [],
    counts: [],
    errors: [],
    existing: new Map(),
    existingCount: 0,
  };
}

/** The place of the first element that is not below `sequence`; the newest are asked for most. */
function placeOf(sequences: readonly number[], sequence: number): number {
  let low = 0;
  let high = sequences.length;
  if (high > 0 && (sequences[high - 1] as number) < sequence) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sequences[middle] as number) < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
