/**
 * What happened, written down by those who saw it and not by the cluster: a file of each process, a line of JSON an event. All
 * instants are by the monotonic clock of the host, which its processes share.
 */
import { appendFileSync, closeSync, openSync } from 'node:fs';

/** The client got the answer that its task is durable. */
export interface AcknowledgedRecord {
  readonly event: 'acknowledged';
  readonly id: string;
  readonly atMs: number;
}

/** A worker is about to call the handler. */
export interface StartRecord {
  readonly event: 'start';
  readonly id: string;
  readonly token: number;
  /** Of the leader that assigned the attempt. */
  readonly term: number;
  readonly atMs: number;
}

/** A worker sends the outcome of an attempt. */
export interface ReportRecord {
  readonly event: 'report';
  readonly id: string;
  readonly token: number;
  readonly outcome: string;
  readonly atMs: number;
}

/** The cluster has answered to an outcome: only with `ok` it counts. */
export interface AnswerRecord {
  readonly event: 'answer';
  readonly id: string;
  readonly token: number;
  readonly answer: string;
  readonly atMs: number;
}

/** What a worker writes down. */
export type WorkerRecord = StartRecord | ReportRecord | AnswerRecord;

/** A file that is only ever added to. */
export class RecordFile {
  readonly #descriptor: number;

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a', 0o600);
  }

  /** Written before the call returns. */
  append(record: AcknowledgedRecord | WorkerRecord): void {
    appendFileSync(this.#descriptor, `${JSON.stringify(record)}\n`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The acknowledgements in the text of a client's file. @throws SyntaxError for a line that is no record */
export function acknowledgedRecords(text: string): AcknowledgedRecord[] {
  return records(text).filter((record) => record.event === 'acknowledged');
}

/** The events in the text of a worker's file. @throws SyntaxError for a line that is no record */
export function workerRecords(text: string): WorkerRecord[] {
  return records(text).filter((record) => record.event !== 'acknowledged');
}

/** Milliseconds of the clock that all processes of a host share and that never jumps. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

function records(text: string): (AcknowledgedRecord | WorkerRecord)[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const value: unknown = JSON.parse(line);
      if (isRecord(value)) return value;
      throw new SyntaxError(`no record: ${line.slice(0, 100)}`);
    });
}

function isRecord(value: unknown): value is AcknowledgedRecord | WorkerRecord {
  if (typeof value !== 'object' || value === null || !('event' in value && 'id' in value && 'atMs' in value))
    return false;
  if (typeof value.id !== 'string' || typeof value.atMs !== 'number') return false;
  if (value.event === 'acknowledged') return true;
  if (!('token' in value) || typeof value.token !== 'number') return false;
  if (value.event === 'start') return 'term' in value && typeof value.term === 'number';
  if (value.event === 'report') return 'outcome' in value && typeof value.outcome === 'string';
  return value.event === 'answer' && 'answer' in value && typeof value.answer === 'string';
}
