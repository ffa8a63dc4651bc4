/**
 * What happened, written down by those who saw it and not by the cluster: a line of JSON a thing, in a file of each process. All
 * instants are in microseconds of the clock that the processes of a host share.
 */
import { appendFileSync, closeSync, openSync } from 'node:fs';

/** What a client asked for. */
export type Asked = 'submit' | 'get' | 'cancel' | 'result' | 'list';

/** A call of a client, or the completion of a worker, from its beginning to its end. */
export interface CallRecord {
  readonly record: 'call';
  /** Who called. One has one call open at a time. */
  readonly process: string;
  readonly f: Asked | 'complete';
  readonly key: string;
  readonly calledUs: number;
  readonly returnedUs: number;
  /** `fail` is certain to have had no effect; with `info` nobody knows. */
  readonly type: 'ok' | 'fail' | 'info';
  /** With `ok` the answer, else the code of the error. */
  readonly value: Answer | string;
}

/** What a call was answered. */
export interface Answer {
  /** The task; absent where there was none. */
  readonly id?: string;
  /** Of a submission: whether the key was known before. */
  readonly deduplicated?: boolean;
  /** What was seen of the task: `absent`, `open`, `done`, `cancelled`, `failed`; or what a cancel was answered. */
  readonly state?: string;
  /** Of a task that is done: the attempt whose result counts. Of a completion: the attempt. */
  readonly token?: number;
}

/** A submission was answered: from now on the task must not be lost. */
export interface AcknowledgedRecord {
  readonly record: 'acknowledged';
  readonly id: string;
  readonly atUs: number;
}

/** A worker is about to call the handler. */
export interface StartRecord {
  readonly record: 'start';
  readonly id: string;
  readonly token: number;
  readonly term: number;
  readonly atUs: number;
}

/** The cluster has answered to an outcome: only with `ok` it counts. */
export interface AnswerRecord {
  readonly record: 'answer';
  readonly id: string;
  readonly token: number;
  /** How the attempt ended, as it was reported: `done` alone ends the task. */
  readonly outcome: string;
  readonly answer: string;
  readonly atUs: number;
}

/** The handler of a task of a schedule was called. */
export interface BeganRecord {
  readonly record: 'began';
  readonly id: string;
  readonly token: number;
  readonly schedule: string;
  readonly atUs: number;
  /** The same instant by the wall clock of the host. */
  readonly wallMs: number;
}

/** It is over, whatever came of it. */
export interface EndedRecord {
  readonly record: 'ended';
  readonly token: number;
  readonly atUs: number;
}

/** A line. */
export type LoadRecord = CallRecord | AcknowledgedRecord | StartRecord | AnswerRecord | BeganRecord | EndedRecord;

/** Lines that are gathered before they are written: each write is a call of the system. */
const GATHERED_MAX = 64;

/** Microseconds of the shared clock, to the nanosecond: no two instants that follow from each other are one. */
export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1_000;
}

/** A file that is only ever added to. */
export class Recorder {
  readonly #descriptor: number;
  #gathered: string[] = [];

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a', 0o600);
  }

  add(record: LoadRecord): void {
    this.#gathered.push(JSON.stringify(record));
    if (this.#gathered.length >= GATHERED_MAX) this.flush();
  }

  flush(): void {
    if (this.#gathered.length === 0) return;
    appendFileSync(this.#descriptor, `${this.#gathered.join('\n')}\n`);
    this.#gathered = [];
  }

  close(): void {
    this.flush();
    closeSync(this.#descriptor);
  }
}

/** The lines of a file that is whole. @throws SyntaxError for a line that is none */
export function readRecords(text: string): LoadRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const value: unknown = JSON.parse(line);
      if (typeof value === 'object' && value !== null && 'record' in value) return value as LoadRecord;
      throw new SyntaxError(`no record: ${line.slice(0, 100)}`);
    });
}
