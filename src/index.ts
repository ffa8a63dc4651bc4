/**
 * The SDK: `Client` submits tasks and asks about them, `Worker` runs them. Everything here is `src/client` wired to real
 * sockets, clocks and timers; nothing of the server is loaded.
 */
import { Client as PortableClient, type ClientOptions } from './client/client.ts';
import type { ClientPorts } from './client/ports.ts';
import { Worker as PortableWorker, type WorkerOptions } from './client/worker.ts';
import { realPorts } from './system/system.ts';
import { WsDialer } from './system/ws-dialer.ts';

export type { Handler } from './client/attempts.ts';
export type { ClientOptions, ListOptions, ReadOptions, TaskDetail, TaskPage } from './client/client.ts';
export type { Duration } from './client/duration.ts';
export { TaskraftError } from './client/errors.ts';
export type { HandlerContext } from './client/handler-context.ts';
export { NonRetryable, RetryAfter } from './client/handler-errors.ts';
export type { InstantLike } from './client/instant.ts';
export type { ConnectionOptions } from './client/ports.ts';
export type {
  NextOccurrence,
  ScheduleDetail,
  ScheduledTaskInfo,
  ScheduleInfo,
  SettledOccurrence,
} from './client/schedule-info.ts';
export type { ScheduledTask, ScheduleSpec, ScheduleTimes, ScheduleWhen } from './client/schedule-spec.ts';
export type {
  Backfilled,
  BackfillOptions,
  NextOccurrences,
  NextOptions,
  ScheduleAnswer,
  ScheduleDeleteOptions,
  ScheduleListOptions,
  SchedulePage,
  ScheduleReadOptions,
  Schedules,
  Triggered,
  TriggerOptions,
} from './client/schedules.ts';
export type { CancelOutcome, ResultOptions, TaskHandle } from './client/task-handle.ts';
export type { TaskEvent, TaskInfo, TaskLogLine, TaskOccurrence } from './client/task-info.ts';
export type { TaskSpec } from './client/task-spec.ts';
export type { ReportedOutcome, StopOptions, WorkerObserver, WorkerOptions } from './client/worker.ts';
export type { ErrorCode } from './protocol/error-code.ts';
export type {
  AbortReason,
  CatchUpPolicy,
  OccurrenceKind,
  OverlapPolicy,
  ScheduleState,
  TaskState,
} from './protocol/rows.ts';

/** A connected client. */
export type Client = PortableClient;

/** Connects clients. */
export const Client: {
  /**
   * Connects to any peer, and from there to all.
   *
   * @throws TaskraftError UNAVAILABLE when none answers in time, UNAUTHORIZED, FORBIDDEN, INVALID_ARGUMENT
   */
  connect(options?: ClientOptions): Promise<Client>;
} = {
  connect: (options = {}) => PortableClient.connect(options, realClientPorts()),
};

/** Runs handlers for tasks that the cluster places on it. */
export class Worker extends PortableWorker {
  /** @throws TaskraftError INVALID_ARGUMENT */
  constructor(options: WorkerOptions) {
    super(options, realClientPorts());
  }
}

function realClientPorts(): ClientPorts {
  return { ...realPorts(), dialer: new WsDialer() };
}
