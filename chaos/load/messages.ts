/** What the run says to its load processes, and they to it, over the channel between a process and those that it forked. */

/** How tasks are called. */
export const TASK_TYPE = 'chaos.echo';

/** With what a load process is started: its only argument, as JSON. */
export interface LoadOrder {
  /** All peers. */
  readonly urls: readonly string[];
  /** Shown by clients where the cluster asks for one. */
  readonly token: string | undefined;
  /** Where the process writes down what it sees. */
  readonly file: string;
  readonly seed: number;
  /** Of clients: how many of them, and the number of the first. Of workers: likewise. */
  readonly count: number;
  readonly first: number;
  /** Of clients: the shortest time between two operations of one, in ms. Of workers: slots of each. */
  readonly pace: number;
  /** Whether clients share keys and do all kinds of operation, or submit tasks without a key one after the other. */
  readonly kind: 'mixed' | 'submissions';
}

/** To a load process. */
export type ToLoad =
  /** End what is under way, submit nothing new, tell `stopped`. */
  | { readonly type: 'stop' }
  /** Of workers of schedules: hear and say nothing for a while, and work on. */
  | { readonly type: 'deafen'; readonly forMs: number }
  /** Close everything and end. */
  | { readonly type: 'end' };

/** From a load process. */
export type FromLoad =
  | { readonly type: 'ready' }
  /** Each half second: operations that ended so far, or accepted completions. */
  | { readonly type: 'progress'; readonly count: number }
  /** An attempt started that a later leader assigned than any before. `atMs` by the shared clock. */
  | { readonly type: 'term'; readonly term: number; readonly atMs: number }
  | { readonly type: 'stopped' };

/** How often progress is told, in ms. */
export const PROGRESS_MS = 500;

/** The order that a load process was given. */
export function readOrder(): LoadOrder {
  return JSON.parse(process.argv[2] ?? '{}') as LoadOrder;
}

/** Says something to the run. */
export function tell(message: FromLoad): void {
  process.send?.(message);
}
