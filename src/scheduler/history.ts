/**
 * What happened to a task, as bytes: a few for each event, one after the other.
 *
 *     u8 type | by << 5   u8 reason   varint ms since the event before   varint attempt   (by: varint principal | ascii worker)
 *
 * Two events need no bytes while the task lives, since its row tells them: the first, `submitted`, and the `started` of the
 * attempt that is running. So a task that is submitted, started and done costs no memory for its history until it is filed away.
 */
import { ByteReader, type ByteWriter } from '../base/bytes.ts';
import type { HistoryEvent, HistoryEventType, Reason } from './views.ts';

/** The types of events by code; a code is never used for anything else. */
export const EVENT_TYPES: readonly HistoryEventType[] = [
  'submitted',
  'ready',
  'started',
  'failed-attempt',
  'crashed',
  'returned',
  'snoozed',
  'cancel-requested',
  'done',
  'failed',
  'cancelled',
];

/** The codes of the types. */
export const EVENT = {
  submitted: 0,
  ready: 1,
  started: 2,
  failedAttempt: 3,
  crashed: 4,
  returned: 5,
  snoozed: 6,
  cancelRequested: 7,
  done: 8,
  failed: 9,
  cancelled: 10,
} as const;

/** The reasons by code; 0 is none. A code is never used for anything else. */
export const REASONS: readonly (Reason | undefined)[] = [
  undefined,
  'error',
  'non-retryable',
  'run-timeout',
  'queue-timeout',
  'total-timeout',
  'poison',
  'cancelled',
  'worker-lost',
  'worker-restarted',
  'not-delivered',
  'no-leader',
  'drain',
  'returned',
  'snoozed',
  'due',
  'retry',
];

/** The codes of the reasons. */
export const REASON = {
  none: 0,
  error: 1,
  nonRetryable: 2,
  runTimeout: 3,
  queueTimeout: 4,
  totalTimeout: 5,
  poison: 6,
  cancelled: 7,
  workerLost: 8,
  workerRestarted: 9,
  notDelivered: 10,
  noLeader: 11,
  drain: 12,
  returned: 13,
  snoozed: 14,
  due: 15,
  retry: 16,
} as const;

/** Who did it: the cluster by itself, a principal by the number of its name, a worker by its id, or whoever did the event before. */
export const BY = { peer: 0, principal: 1, worker: 2, same: 3 } as const;

/** One event on its way into a history. */
export interface NewEvent {
  readonly type: number;
  readonly reason: number;
  readonly atMs: number;
  readonly attempt: number;
  readonly by: number;
  /** With `BY.principal`. */
  readonly principal: number;
  /** With `BY.worker`. */
  readonly worker: string;
}

/** Appends one event that follows one at `beforeMs`. */
export function writeEvent(writer: ByteWriter, event: NewEvent, beforeMs: number): void {
  writer.u8(event.type | (event.by << 5));
  writer.u8(event.reason);
  writer.varint(event.atMs - beforeMs);
  writer.varint(event.attempt);
  if (event.by === BY.principal) writer.varint(event.principal);
  else if (event.by === BY.worker) writer.ascii(event.worker);
}

/** Reads events back, the first counted from `startMs`. @throws DecodeError */
export function readEvents(bytes: Uint8Array, startMs: number): NewEvent[] {
  const reader = new ByteReader(bytes);
  const events: NewEvent[] = [];
  let atMs = startMs;
  let before: NewEvent | undefined;
  while (reader.remaining > 0) {
    const head = reader.u8();
    const reason = reader.u8();
    atMs += reader.varint();
    const attempt = reader.varint();
    let by = head >>> 5;
    let principal = 0;
    let worker = '';
    if (by === BY.principal) {
      principal = reader.varint();
    } else if (by === BY.worker) {
      worker = reader.ascii();
    } else if (by === BY.same && before !== undefined) {
      ({ by, principal, worker } = before);
    }
    before = { type: head & 31, reason, atMs, attempt, by, principal, worker };
    events.push(before);
  }
  return events;
}

/** How many events are kept; see `trimEvents`. */
export interface HistoryBounds {
  readonly eventsMax: number;
  readonly first: number;
}

/** What is left of `events` within the bounds: the first ones and the newest. @returns how many were dropped */
export function trimEvents(events: NewEvent[], bounds: HistoryBounds): number {
  const excess = events.length - bounds.eventsMax;
  if (excess <= 0) return 0;
  events.splice(bounds.first, excess);
  return excess;
}

/** An event as people see it. `principalName` tells a principal's name by its number. */
export function viewEvent(event: NewEvent, principalName: (number: number) => string): HistoryEvent {
  const reason = REASONS[event.reason];
  return {
    type: EVENT_TYPES[event.type] ?? 'returned',
    atMs: event.atMs,
    attempt: event.attempt,
    by: event.by === BY.worker ? event.worker : event.by === BY.principal ? principalName(event.principal) : 'peer',
    ...(reason === undefined ? {} : { reason }),
  };
}
