/** Bugs of the state machine: what differs between peers, and what a checkpoint leaves out. */
import type { Mutant } from '../mutant.ts';

const TOUCHED = 'atomix/atomix#1101: a snapshot that misses a part of the state, which is gone after a restart';

/** The bugs of the replicated state and its checkpoints. */
export const STATES: readonly Mutant[] = [
  {
    name: 'answers-kept-in-memory-only',
    origin: `${TOUCHED}; Raft thesis §6.3`,
    wrong: 'A restart forgets what a client session was answered, and a repeated submission is done again.',
    file: 'src/scheduler/sessions.ts',
    find: `  keep(session: Session, sequence: number, answer: Submitted | Refusal): void {
    this.table.touch(session.slot);`,
    replace: `  keep(session: Session, sequence: number, answer: Submitted | Refusal): void {`,
  },
  {
    name: 'saved-progress-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart forgets what an attempt has saved.',
    file: 'src/scheduler/complete.ts',
    find: `  if (state.liveBytes + more > state.limits.liveBytesMax) return refuse('TASK_LIMIT');
  state.tasks.touch(row);`,
    replace: `  if (state.liveBytes + more > state.limits.liveBytesMax) return refuse('TASK_LIMIT');`,
  },
  {
    name: 'lingering-handler-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart forgets that a handler still holds its slot though its lease has ended.',
    file: 'src/scheduler/task-moves.ts',
    find: `  if (lingers) {
    state.workers.table.touch(worker.slot);`,
    replace: `  if (lingers) {`,
  },
  {
    name: 'freed-key-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart keeps the key of a finished task taken for ever.',
    file: 'src/scheduler/memory/key-table.ts',
    find: `    this.table.touch(slot);
    segment.freeAtMs[at] = freeAtMs;`,
    replace: `    segment.freeAtMs[at] = freeAtMs;`,
  },
  {
    name: 'queue-counts-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart forgets how many tasks of a queue have ended.',
    file: 'src/scheduler/task-moves.ts',
    find: `  const entry = fileFinished(state, row, template, ending, result, encoding);
  state.queues.table.touch(template.queue.slot);`,
    replace: `  const entry = fileFinished(state, row, template, ending, result, encoding);`,
  },
  {
    name: 'ended-worker-keeps-its-drain',
    origin: TOUCHED,
    wrong: 'A restart forgets that a worker drains.',
    file: 'src/scheduler/worker-commands.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.draining = true;`,
    replace: `  worker.draining = true;`,
  },
  {
    name: 'attached-worker-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart forgets that a worker came back.',
    file: 'src/scheduler/attach.ts',
    find: `  if (known !== undefined) state.line.leave(worker);
  state.workers.table.touch(worker.slot);`,
    replace: `  if (known !== undefined) state.line.leave(worker);`,
  },
  {
    name: 'row-captured-after-it-changed',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A record that changes while its checkpoint is written goes there as it is afterwards.',
    file: 'src/scheduler/memory/records.ts',
    find: `    if (this.#isPending(this.#slots[slot] as number)) this.#capture(slot);
    this.#changed.push(slot);`,
    replace: `    this.#changed.push(slot);`,
  },
  {
    name: 'hashed-change-is-never-written',
    origin: 'redisraft#654, atomix/copycat#242: what came while a snapshot was written is in none',
    wrong: 'What changed before a mark that was only hashed is left out of the next checkpoint.',
    file: 'src/scheduler/memory/records.ts',
    find: `    return (state & STAMP) === 3 - this.#stamp || (this.#writing && (state & CARRIED) !== 0 && (state & STAMP) === 0);`,
    replace: `    return (state & STAMP) === 3 - this.#stamp;`,
  },
  {
    name: 'ended-drain-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart forgets that the deadline of a drain has passed.',
    file: 'src/scheduler/timers.ts',
    find: `    state.workers.table.touch(worker.slot);
    worker.drainDeadlineMs = 0;`,
    replace: `    worker.drainDeadlineMs = 0;`,
  },
  {
    name: 'resumed-worker-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart forgets that a worker takes tasks again.',
    file: 'src/scheduler/worker-commands.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.draining = false;
  worker.drainDeadlineMs = 0;
  if (`,
    replace: `  worker.draining = false;
  worker.drainDeadlineMs = 0;
  if (`,
  },
  {
    name: 'placed-task-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A task that is placed while its checkpoint is written goes there as it is afterwards.',
    file: 'src/scheduler/task-moves.ts',
    find: `  state.tasks.touch(row);
  const segment = state.rows.segments[row >>> ROW_BITS] as RowSegment;
  const at = row & ROW_MASK;
  const template = state.templates.slots.at(segment.template[at] as number);
  group.remove(row, template.priority);
  changeState(state, segment, at, template, STATE.running);`,
    replace: `  const segment = state.rows.segments[row >>> ROW_BITS] as RowSegment;
  const at = row & ROW_MASK;
  const template = state.templates.slots.at(segment.template[at] as number);
  group.remove(row, template.priority);
  changeState(state, segment, at, template, STATE.running);
  state.tasks.touch(row);`,
  },
  {
    name: 'failure-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A task whose attempt fails while its checkpoint is written goes there with that failure counted.',
    file: 'src/scheduler/complete.ts',
    find: `  retryAfterMs: number,
): void {
  state.tasks.touch(row);`,
    replace: `  retryAfterMs: number,
): void {`,
  },
  {
    name: 'extended-run-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'An attempt that is given more time while its checkpoint is written has it there already.',
    file: 'src/scheduler/complete.ts',
    find: `  state.tasks.touch(row);
  segment.dueMs[at] = state.nowMs + runMs;`,
    replace: `  segment.dueMs[at] = state.nowMs + runMs;
  state.tasks.touch(row);`,
  },
  {
    name: 'handed-back-task-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A task that is handed back while its checkpoint is written goes there with that event.',
    file: 'src/scheduler/task-moves.ts',
    find: `  notBeforeMs = 0,
): void {
  state.tasks.touch(row);`,
    replace: `  notBeforeMs = 0,
): void {`,
  },
  {
    name: 'forgotten-answers-in-memory-only',
    origin: TOUCHED,
    wrong: 'A restart forgets up to where a client has its answers.',
    file: 'src/scheduler/sessions.ts',
    find: `    if (answeredBelow <= session.floor) return;
    this.table.touch(session.slot);`,
    replace: `    if (answeredBelow <= session.floor) return;`,
  },
];
