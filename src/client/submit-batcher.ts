/**
 * Joins `submit` calls of one turn of the event loop into one submission: a lone call waits for nobody, a thousand of them cost
 * one frame. A submission is all or nothing, so when one of the joined tasks is refused, the others are submitted without it.
 */
import type { Timers } from '../base/clock.ts';
import { taskBytes } from '../protocol/request-rules.ts';
import type { TaskRow, TemplateRow } from '../protocol/rows.ts';
import type { SubmittedFrame } from '../protocol/server-frame.ts';
import type { ClusterClient } from './cluster-client.ts';
import { TaskraftError } from './errors.ts';
import type { Submissions } from './submissions.ts';
import { SubmissionBuilder, type TaskSpec } from './task-spec.ts';

/** Learns the task's number, and whether it was there before. */
export type Submitted = (answer: SubmittedFrame | TaskraftError, number: number, existed: boolean) => void;

interface Joined {
  builder: SubmissionBuilder;
  sizeBytes: number;
  readonly done: Submitted[];
}

/** Joins what `Client.submit` is called with in one turn. */
export class SubmitBatcher {
  readonly #client: ClusterClient;
  readonly #submissions: Submissions;
  readonly #timers: Timers;
  #joined: Joined | undefined;

  constructor(client: ClusterClient, submissions: Submissions) {
    this.#client = client;
    this.#submissions = submissions;
    this.#timers = client.ports.timers;
  }

  /** Adds a task to the submission of this turn. One that is not acceptable is refused at once; the others go on. */
  add(spec: TaskSpec, done: Submitted): void {
    try {
      this.#add(spec, done);
    } catch (error) {
      if (!(error instanceof TaskraftError)) throw error;
      done(withoutPosition(error), 0, false);
    }
  }

  #add(spec: TaskSpec, done: Submitted): void {
    const { batchTasks, batchBytes } = this.#client.limits;
    let joined = this.#joined ?? this.#begin();
    const sizeBytes = taskBytes(joined.builder.add(spec));
    if (joined.done.length > 0 && joined.sizeBytes + sizeBytes > batchBytes) {
      joined.builder.undo();
      this.#flush();
      joined = this.#begin();
      joined.builder.add(spec);
    }
    joined.sizeBytes += sizeBytes;
    joined.done.push(done);
    if (joined.done.length >= batchTasks) this.#flush();
  }

  #begin(): Joined {
    const joined: Joined = { builder: new SubmissionBuilder(this.#client.limits), sizeBytes: 0, done: [] };
    this.#joined = joined;
    this.#timers.soon(() => {
      if (this.#joined === joined) this.#flush();
    });
    return joined;
  }

  #flush(): void {
    const joined = this.#joined;
    this.#joined = undefined;
    if (joined !== undefined && joined.done.length > 0) {
      this.#submit(joined.builder.templates, joined.builder.tasks, joined.done);
    }
  }

  #submit(templates: readonly TemplateRow[], tasks: readonly TaskRow[], done: readonly Submitted[]): void {
    const sizeBytes = tasks.reduce((sum, task) => sum + taskBytes(task), 0);
    this.#submissions.add({
      templates,
      tasks,
      sizeBytes,
      done: (answer) => {
        const culprit = answer instanceof TaskraftError ? answer.position : undefined;
        if (culprit === undefined || tasks.length === 1 || culprit >= tasks.length) {
          tell(answer, done);
          return;
        }
        tell(answer, done.slice(culprit, culprit + 1));
        this.#submit(...without(templates, tasks, culprit), done.toSpliced(culprit, 1));
      },
    });
  }
}

/** The submission without one task, and without templates that only it used. */
function without(
  templates: readonly TemplateRow[],
  tasks: readonly TaskRow[],
  position: number,
): [templates: readonly TemplateRow[], tasks: readonly TaskRow[]] {
  const rest = tasks.toSpliced(position, 1);
  const used = new Set(rest.map((task) => task[0]));
  const kept = templates.map((_, at) => at).filter((at) => used.has(at));
  return [
    kept.map((at) => templates[at] as TemplateRow),
    rest.map((task) => [kept.indexOf(task[0]), task[1], task[2], task[3]]),
  ];
}

function tell(answer: SubmittedFrame | TaskraftError, done: readonly Submitted[]): void {
  if (answer instanceof TaskraftError) for (const each of done) each(withoutPosition(answer), 0, false);
  else numbersOf(answer, done.length, (at, number, existed) => done[at]?.(answer, number, existed));
}

/** Reads the numbers of `count` submitted tasks off their answer, in order of position. */
export function numbersOf(
  answer: SubmittedFrame,
  count: number,
  each: (position: number, number: number, existed: boolean) => void,
): void {
  const existing = answer.existing.length === 0 ? undefined : new Map(answer.existing);
  let next = answer.firstNumber;
  for (let at = 0; at < count; at += 1) {
    const number = existing?.get(at);
    if (number === undefined) {
      each(at, next, false);
      next += 1;
    } else each(at, number, true);
  }
}

/** The position within a frame that joined several calls says nothing to any of them. */
function withoutPosition(error: TaskraftError): TaskraftError {
  if (error.position === undefined) return error;
  const details = error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs };
  return new TaskraftError(error.code, error.message, details);
}
