/** What a user submits, and how it becomes rows of a frame. Everything is checked here, before anything is sent. */
import { encodeValue, ValueError } from '../protocol/codec.ts';
import { taskProblem, templateProblem, type WireLimits } from '../protocol/request-rules.ts';
import type { BlobRow, LabelRow, TaskOptionsRow, TaskRow, TemplateRow } from '../protocol/rows.ts';
import { type Duration, durationMs } from './duration.ts';
import { invalidArgument, TaskraftError } from './errors.ts';
import { type KnownFields, refuseUnknownFields } from './known-fields.ts';

/** A date: whatever tells its ms since 1970. */
export interface Instant {
  getTime(): number;
}

/**
 * One task to submit. A field that is none of these is refused. Tasks of one call that have `type`, `queue`, `priority`,
 * `requires`, `retry`, `timeouts` and `retention` in common are looked at once for that: it is there to catch misspelt code.
 */
export interface TaskSpec {
  /** Names the handler: 1 to 200 characters of `[A-Za-z0-9._:/-]`, as all names. */
  readonly type: string;
  /**
   * For the handler: null, booleans, numbers, strings, bytes, arrays and plain objects of these; or one `Uint8Array`, which
   * travels as it is, without a copy: leave it alone until the submission is answered. Default nothing. At most 256 KiB encoded.
   */
  readonly payload?: unknown;
  /** Default `default`; made on first use. */
  readonly queue?: string;
  /** 1 (first) to 10, default 5. */
  readonly priority?: number;
  /** Labels that the worker must have. */
  readonly requires?: Readonly<Record<string, string>>;
  /** Not before then: ms since 1970, or a date that tells them. At most one of `runAt` and `delay`. */
  readonly runAt?: number | Instant;
  /** Not before this has passed. */
  readonly delay?: Duration;
  /** Unique within the namespace until the task is final plus 24 h: submitted again it gives the first task. */
  readonly key?: string;
  /** `run` from placement (default 15 min), `queue` from becoming ready (off), `total` from submission (off); 0 is off. */
  readonly timeouts?: { readonly run?: Duration; readonly queue?: Duration; readonly total?: Duration };
  /** Default 10 attempts, 1 s × 2^(n−1) up to 1 h. */
  readonly retry?: { readonly maxAttempts?: number; readonly initial?: Duration; readonly max?: Duration };
  /** How long the finished task is kept: `done` also for cancelled ones (7 days), `failed` (14 days); `payload` keeps it when done. */
  readonly retention?: { readonly done?: Duration; readonly failed?: Duration; readonly payload?: boolean };
  /** For the handler and for tracing; at most 8 KiB together. */
  readonly headers?: Readonly<Record<string, string>>;
}

const TASK_FIELDS: KnownFields<TaskSpec> = {
  type: true,
  payload: true,
  queue: true,
  priority: true,
  requires: true,
  runAt: true,
  delay: true,
  key: true,
  timeouts: true,
  retry: true,
  retention: true,
  headers: true,
};
const RETRY_FIELDS: KnownFields<NonNullable<TaskSpec['retry']>> = { maxAttempts: true, initial: true, max: true };
const TIMEOUT_FIELDS: KnownFields<NonNullable<TaskSpec['timeouts']>> = { run: true, queue: true, total: true };
const RETENTION_FIELDS: KnownFields<NonNullable<TaskSpec['retention']>> = { done: true, failed: true, payload: true };

/** How many templates back a task is compared with; tasks of one call mostly alternate between few. */
const TEMPLATES_COMPARED = 4;
const NO_LABELS: readonly LabelRow[] = [];
const NO_BYTES: Uint8Array = new Uint8Array(0);
const NOTHING: BlobRow = [0, NO_BYTES];

/** The fields of a task that its template is made from. */
type Source = {
  readonly [Field in 'type' | 'queue' | 'priority' | 'requires' | 'retry' | 'timeouts' | 'retention']:
    | TaskSpec[Field]
    | undefined;
};
type Fields = Readonly<Record<string, unknown>>;

/** Collects the tasks of one submission. */
export class SubmissionBuilder {
  readonly templates: TemplateRow[] = [];
  readonly tasks: TaskRow[] = [];
  /** What each template was made from. */
  readonly #sources: Source[] = [];
  readonly #limits: WireLimits;

  constructor(limits: WireLimits) {
    this.#limits = limits;
  }

  /** Adds a task and returns its row. @throws TaskraftError and adds nothing */
  add(spec: TaskSpec): TaskRow {
    const position = this.tasks.length;
    const templatesBefore = this.templates.length;
    const [encoding, bytes] = encodePayload(spec.payload, position);
    const options = optionsOf(spec, position);
    const row: TaskRow = [this.#templateOf(spec, position), encoding, bytes, options];
    const problem = taskProblem(row, position, this.templates.length, this.#limits);
    if (problem !== undefined) {
      this.#truncate(templatesBefore);
      throw new TaskraftError(problem.code, problem.message, { position });
    }
    this.tasks.push(row);
    return row;
  }

  /** Takes the last task out again. */
  undo(): void {
    const row = this.tasks.pop();
    // Templates are numbered in order of first use, so that only the last can have been made for it alone.
    if (row !== undefined && this.tasks.every((task) => task[0] !== row[0])) this.#truncate(row[0]);
  }

  #truncate(templateCount: number): void {
    this.templates.length = templateCount;
    this.#sources.length = templateCount;
  }

  #templateOf(spec: TaskSpec, position: number): number {
    const count = this.templates.length;
    for (let at = count - 1; at >= 0 && at >= count - TEMPLATES_COMPARED; at -= 1) {
      if (sameTemplate(this.#sources[at] as Source, spec)) return at;
    }
    const template = templateAt(position, spec);
    const words = templateProblem(template);
    if (words !== undefined) throw new TaskraftError('INVALID_ARGUMENT', words, { position });
    this.templates.push(template);
    this.#sources.push(sourceOf(spec));
    return count;
  }
}

/**
 * A payload, result or checkpoint as bytes: nothing, raw bytes as they are, everything else as MessagePack.
 *
 * @throws ValueError
 */
export function encodeBlob(value: unknown): BlobRow {
  if (value === undefined) return NOTHING;
  if (value instanceof Uint8Array) return [3, value];
  return [1, encodeValue(value)];
}

function encodePayload(payload: unknown, position: number): BlobRow {
  try {
    return encodeBlob(payload);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new TaskraftError('INVALID_ARGUMENT', `The payload cannot be sent: ${error.message}.`, { position });
  }
}

/** A copy: the caller may change the object for its next task. */
function sourceOf({ type, queue, priority, requires, retry, timeouts, retention }: TaskSpec): Source {
  return {
    type,
    queue,
    priority,
    requires: requires && { ...requires },
    retry: retry && { ...retry },
    timeouts: timeouts && { ...timeouts },
    retention: retention && { ...retention },
  };
}

function sameTemplate(left: Source, right: TaskSpec): boolean {
  return (
    left.type === right.type &&
    left.queue === right.queue &&
    left.priority === right.priority &&
    sameFields(left.requires, right.requires) &&
    sameFields(left.retry, right.retry) &&
    sameFields(left.timeouts, right.timeouts) &&
    sameFields(left.retention, right.retention)
  );
}

function sameFields(left: Fields | undefined, right: Fields | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => left[name] === right[name]);
}

/** The template, made with the `position` of its task in what is thrown. */
function templateAt(position: number, spec: TaskSpec): TemplateRow {
  try {
    return templateOf(spec);
  } catch (error) {
    throw error instanceof TaskraftError ? new TaskraftError(error.code, error.message, { position }) : error;
  }
}

/** What tasks like `spec` have in common. @throws TaskraftError INVALID_ARGUMENT */
export function templateOf(spec: TaskSpec): TemplateRow {
  const { type, retry, timeouts, retention } = spec;
  refuseUnknownFields('a task', spec, TASK_FIELDS);
  if (retry !== undefined) refuseUnknownFields('retry', retry, RETRY_FIELDS);
  if (timeouts !== undefined) refuseUnknownFields('timeouts', timeouts, TIMEOUT_FIELDS);
  if (retention !== undefined) refuseUnknownFields('retention', retention, RETENTION_FIELDS);
  if (typeof type !== 'string') throw invalidArgument('type names the handler of the task.');
  return [
    type,
    spec.queue ?? null,
    wholeOr(spec.priority, 'priority'),
    spec.requires === undefined ? NO_LABELS : labelRows(spec.requires),
    retry === undefined
      ? null
      : [
          wholeOr(retry.maxAttempts, 'retry.maxAttempts'),
          msOr(retry.initial, 'retry.initial'),
          msOr(retry.max, 'retry.max'),
        ],
    timeouts === undefined
      ? null
      : [
          msOr(timeouts.run, 'timeouts.run'),
          msOr(timeouts.queue, 'timeouts.queue'),
          msOr(timeouts.total, 'timeouts.total'),
        ],
    retention === undefined
      ? null
      : [
          msOr(retention.done, 'retention.done'),
          msOr(retention.failed, 'retention.failed'),
          retention.payload ?? false,
        ],
  ];
}

function optionsOf(spec: TaskSpec, position: number): TaskOptionsRow | null {
  const { key, runAt, delay, headers } = spec;
  if (key === undefined && runAt === undefined && delay === undefined && headers === undefined) return null;
  if (key !== undefined && typeof key !== 'string') throw invalidArgument('A key is text.');
  return [
    key ?? null,
    runAt === undefined ? null : instantMs(runAt, position),
    msOr(delay, 'delay'),
    headers === undefined ? null : [1, encodeHeaders(headers)],
  ];
}

/** Labels as rows, sorted by name. */
export function labelRows(labels: Readonly<Record<string, string>>): readonly LabelRow[] {
  const rows: LabelRow[] = [];
  for (const name of Object.keys(labels).sort()) {
    const value = labels[name];
    if (typeof value !== 'string') throw invalidArgument(`The label "${name}" has text as its value.`);
    rows.push([name, value]);
  }
  return rows;
}

/** Headers as they travel. @throws TaskraftError INVALID_ARGUMENT */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Uint8Array {
  for (const name of Object.keys(headers)) {
    if (typeof headers[name] !== 'string') throw invalidArgument(`The header "${name}" has text as its value.`);
  }
  return encodeValue(headers);
}

function instantMs(instant: number | Instant, position: number): number {
  const ms = Math.ceil(typeof instant === 'number' ? instant : instant.getTime());
  if (Number.isSafeInteger(ms) && ms >= 0) return ms;
  throw new TaskraftError('INVALID_ARGUMENT', 'runAt is a date, or ms since 1970.', { position });
}

function msOr(value: Duration | undefined, name: string): number | null {
  return value === undefined ? null : durationMs(value, name);
}

function wholeOr(value: number | undefined, name: string): number | null {
  if (value === undefined) return null;
  if (!Number.isSafeInteger(value) || value < 0) throw invalidArgument(`${name} is a whole number.`);
  return value;
}
