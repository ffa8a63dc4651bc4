/** What clients did and heard, kept outside of everything that can crash. */
import type { LogIndex } from '../src/base/ids.ts';
import { NEVER, type Operation } from './linearizability/operation.ts';
import type { ShownTask, TaskInput, TaskOutput } from './linearizability/task.ts';

/** One task that a client wanted to submit. */
export interface Wish {
  readonly mark: string;
  readonly key: string | undefined;
  readonly askedUs: number;
  /** When the acknowledgement was heard. */
  answeredUs: number | undefined;
  /** The newest log position of a submission that was acknowledged before this one was asked. */
  readonly after: LogIndex;
  /** `unknown`: the client crashed, or was told that nobody knows. `refused`: certainly not executed. */
  outcome: 'open' | 'acknowledged' | 'unknown' | 'refused';
  code: string | undefined;
  id: string | undefined;
  number: number | undefined;
  deduplicated: boolean;
}

/** The end of a task as a client heard it. */
export interface HeardEnd {
  readonly number: number;
  readonly state: 'done' | 'failed' | 'cancelled';
  readonly result: unknown;
}

/** Ids that are remembered for those who only look. */
const IDS_KEPT = 40;

/** See the head of this file. */
export class Ledger {
  readonly wishes: Map<string, Wish> = new Map();
  readonly ends: HeardEnd[] = [];
  /** What clients saw of tasks, and what workers did to them, by the number of the task. */
  readonly operations: Operation<TaskInput, TaskOutput>[] = [];
  /** Calls of clients that are under way, by client and running number. */
  readonly open: Set<string> = new Set();
  /** Calls that were begun, and those that ended with an answer of the cluster. */
  requests = 0;
  answers = 0;
  /** By code: how calls ended. */
  readonly codes: Map<string, number> = new Map();
  /** The newest ids that were given out. */
  readonly ids: string[] = [];
  /** Answers that may be stale, and answers of any peer that may not. */
  staleReads = 0;
  readsAnywhere = 0;
  /** Acknowledged wishes that the checkers have not compared yet. */
  acknowledged: Wish[] = [];

  /** A client was given the id of a task. */
  given(id: string): void {
    this.ids.push(id);
    if (this.ids.length > IDS_KEPT) this.ids.shift();
  }

  /** A client was shown a task. */
  shown(process: string, number: number, callUs: number, nowUs: number, task: ShownTask): void {
    const key = `${number}`;
    this.operations.push({
      process,
      key,
      input: { f: 'get' },
      output: { f: 'get', task },
      call: callUs,
      return: nowUs,
    });
  }

  /** From now on the task may be cancelled, or end as a worker says, at any time or never. */
  mayHappen(process: string, number: number, nowUs: number, input: TaskInput): void {
    this.operations.push({ process, key: `${number}`, input, output: undefined, call: nowUs, return: NEVER });
  }

  count(code: string): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }
}
