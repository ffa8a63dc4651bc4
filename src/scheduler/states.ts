/**
 * The states of a task and the legal moves between them.
 *
 *     submit ──▶ scheduled ──▶ pending ◀──▶ running ──▶ done
 *                    │            │  ▲         │  ├───▶ failed
 *                    │            │  │         ▼  └───▶ cancelled
 *                    │            │  └───── retrying
 *                    └────────────┴────────────┴──────▶ failed | cancelled
 *
 * `scheduled` waits for its time (a snooze brings a running task back there), `pending` is ready and waits for a slot,
 * `retrying` waits for its next attempt. `done`, `failed` and `cancelled` are final, and final is final.
 */
export type TaskState = 'scheduled' | 'pending' | 'running' | 'retrying' | 'done' | 'failed' | 'cancelled';

/** The states in the order of their codes in rows and records; a code is never used for anything else. */
export const TASK_STATES: readonly TaskState[] = [
  'scheduled',
  'pending',
  'running',
  'retrying',
  'done',
  'failed',
  'cancelled',
];

/** The codes of the states, as rows hold them. */
export const STATE = { scheduled: 0, pending: 1, running: 2, retrying: 3, done: 4, failed: 5, cancelled: 6 } as const;

/** The code of the first final state; all codes from it on are final. */
export const FIRST_FINAL: number = STATE.done;

/** Where a task may go from each state. */
export const LEGAL_MOVES: Readonly<Record<TaskState, readonly TaskState[]>> = {
  scheduled: ['pending', 'failed', 'cancelled'],
  pending: ['running', 'failed', 'cancelled'],
  running: ['pending', 'scheduled', 'retrying', 'done', 'failed', 'cancelled'],
  retrying: ['pending', 'failed', 'cancelled'],
  done: [],
  failed: [],
  cancelled: [],
};

/** `LEGAL_MOVES` by codes: bit `to` of element `from`. */
const LEGAL_BITS: readonly number[] = TASK_STATES.map((from) =>
  LEGAL_MOVES[from].reduce((bits, to) => bits | (1 << STATE[to]), 0),
);

/** True when a task may go from the state with code `from` to the one with code `to`. */
export function isLegalMove(from: number, to: number): boolean {
  return (((LEGAL_BITS[from] ?? 0) >>> to) & 1) === 1;
}
