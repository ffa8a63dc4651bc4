/** What the processes of a bench say to each other over the channel between a process and those that it forked. */

/** What a process used between two moments. */
export interface Usage {
  /** User and system time, in µs. */
  readonly cpuUs: number;
  /** Longest time for which the event loop was held, in ms. */
  readonly longestHoldMs: number;
  /** Most CPU time that the process used within one hold, in ms: what is left when waits for a core are taken off. */
  readonly longestHoldCpuMs: number;
  /** Calls of fdatasync; 0 for a process without a disk of its own. */
  readonly syncs: number;
}

/** To every process: begin to count, or tell what was counted. */
export type ToProcess =
  | { readonly type: 'count' }
  | { readonly type: 'usage' }
  | { readonly type: 'load'; readonly batchTasks: number; readonly inFlight: number }
  /** To the client: tasks that are to run at instants from `fromMs` to before `untilMs`, some of them asked about later. */
  | {
      readonly type: 'delay';
      readonly tasks: number;
      readonly fromMs: number;
      readonly untilMs: number;
      readonly batchTasks: number;
      readonly inFlight: number;
      readonly remember: boolean;
    }
  | { readonly type: 'pace'; readonly perSecond: number }
  | { readonly type: 'stopLoad' }
  | { readonly type: 'single' }
  | { readonly type: 'record' }
  /** To the client and the worker: how late was each task that was to run at an instant? */
  | { readonly type: 'lateness' }
  | { readonly type: 'memory' }
  | { readonly type: 'progress' }
  | { readonly type: 'stop' };

/** From a process. */
export type FromProcess =
  | { readonly type: 'ready' }
  | { readonly type: 'usage'; readonly usage: Usage; readonly done: number; readonly atMs: number }
  | { readonly type: 'delayed' }
  | { readonly type: 'stopped'; readonly acknowledged: number }
  | { readonly type: 'lateness'; readonly lateMs: readonly number[] }
  /** What the process holds after a collection of garbage: of the system's memory, and of that by its own books. */
  | { readonly type: 'memory'; readonly residentBytes: number; readonly usedBytes: number }
  | { readonly type: 'submitted'; readonly atMs: number }
  | { readonly type: 'started'; readonly sequence: number; readonly atMs: number }
  /** How far a peer is, and the bytes of a snapshot that it has sent or fetched. */
  | {
      readonly type: 'progress';
      readonly term: number;
      readonly appliedIndex: number;
      readonly checkpointIndex: number;
      readonly firstIndex: number;
      readonly snapshotBytes: number;
      readonly phase: string;
      readonly atMs: number;
    }
  | { readonly type: 'record'; readonly starts: number; readonly distinct: number; readonly repeated: number };

/** Milliseconds of a clock that all processes of a host share and that never jumps. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
