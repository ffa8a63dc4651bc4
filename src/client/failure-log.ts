/**
 * Says on the worker's own log that handlers fail: the cluster keeps what they threw, but whoever writes a handler looks here
 * first. A type whose every attempt fails may fail thousands of times a second, so that it gets a line a second and a count.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { CompletionRow } from '../protocol/rows.ts';
import { blobValue } from './task-info.ts';

const LINE_EVERY_MS = 1000;
/** Control characters, and marks that turn text around: what a terminal or a reader of lines would obey. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

interface OfType {
  lineAtMs: number;
  /** Failures since that line. */
  leftOut: number;
}

/** Failures of one worker's handlers. */
export class FailureLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #types: readonly string[];
  /** By position in `#types`; one beyond them is of no type that the worker has. */
  readonly #last: (OfType | undefined)[] = [];

  constructor(logger: Logger, clock: Clock, types: readonly string[]) {
    this.#logger = logger;
    this.#clock = clock;
    this.#types = types;
  }

  /** An attempt failed, and is reported with `row`. A line has type, task and message, never the payload. */
  failed(typeIndex: number, row: CompletionRow, taskId: (number: number) => string): void {
    const at = Math.min(typeIndex, this.#types.length);
    const nowMs = this.#clock.monotonicMs();
    const last = this.#last[at];
    if (last !== undefined && nowMs - last.lineAtMs < LINE_EVERY_MS) {
      last.leftOut += 1;
      return;
    }
    this.#last[at] = { lineAtMs: nowMs, leftOut: 0 };
    this.#logger.warn('an attempt failed', {
      taskType: this.#types[at] ?? '(unknown)',
      taskId: taskId(row[0]),
      error: messageOf(row),
      ...(last === undefined || last.leftOut === 0 ? {} : { failuresLeftOut: last.leftOut }),
    });
  }
}

/** As it is reported to the cluster, which is short. */
function messageOf(row: CompletionRow): string {
  const error = row[4] === null ? undefined : blobValue([row[3], row[4]]);
  const { name, message } = error as { readonly name: string; readonly message: string };
  return `${name}: ${message}`.replaceAll(OBEYED, ' ');
}
