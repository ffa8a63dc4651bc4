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
    name: 'snoozed-task-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A task that becomes ready while its checkpoint is written goes there as it is afterwards.',
    file: 'src/scheduler/timers.ts',
    find: `    state.tasks.touch(row);
    noteEvent(state, row, EVENT.ready`,
    replace: `    noteEvent(state, row, EVENT.ready`,
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
    name: 'attached-worker-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A worker that attaches while its checkpoint is written goes there as it is afterwards.',
    file: 'src/scheduler/attach.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.namespace = namespace;
  worker.types = types;
  worker.typeNames = command.types;
  worker.labels = command.labels;
  worker.slots = command.slots;
  worker.version = command.version;
  worker.status = WORKER.attached;
  worker.attachedTerm = state.meta.term;`,
    replace: `  worker.namespace = namespace;
  worker.types = types;
  worker.typeNames = command.types;
  worker.labels = command.labels;
  worker.slots = command.slots;
  worker.version = command.version;
  worker.status = WORKER.attached;
  worker.attachedTerm = state.meta.term;
  state.workers.table.touch(worker.slot);`,
  },
  {
    name: 'lost-worker-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A worker that goes away while its checkpoint is written goes there as it is afterwards.',
    file: 'src/scheduler/worker-commands.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.status = WORKER.away;
  worker.awaySinceMs = state.nowMs;`,
    replace: `  worker.status = WORKER.away;
  worker.awaySinceMs = state.nowMs;
  state.workers.table.touch(worker.slot);`,
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
    name: 'timeout-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong:
      'A task whose attempt runs out of time while its checkpoint is written goes there with that failure counted.',
    file: 'src/scheduler/complete.ts',
    find: `export function failByTimeout(state: State, row: number): void {
  state.tasks.touch(row);`,
    replace: `export function failByTimeout(state: State, row: number): void {`,
  },
  {
    name: 'crash-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A task whose worker is lost while its checkpoint is written goes there with that crash counted.',
    file: 'src/scheduler/task-moves.ts',
    find: `export function crash(state: State, row: number, reason: number, notBeforeMs: number): void {
  state.tasks.touch(row);`,
    replace: `export function crash(state: State, row: number, reason: number, notBeforeMs: number): void {`,
  },
  {
    name: 'queue-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A queue that takes a task while its checkpoint is written goes there with that task counted.',
    file: 'src/scheduler/new-row.ts',
    find: `  state.queues.table.touch(template.queue.slot);
  template.queue.submitted += 1;`,
    replace: `  template.queue.submitted += 1;
  state.queues.table.touch(template.queue.slot);`,
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
    name: 'returned-handler-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A handler that returns while the checkpoint is written has returned there already.',
    file: 'src/scheduler/complete.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.lingering.delete(token);`,
    replace: `  worker.lingering.delete(token);
  state.workers.table.touch(worker.slot);`,
  },
  {
    name: 'lingering-handler-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A handler whose lease ends while the checkpoint is written holds its slot there already.',
    file: 'src/scheduler/task-moves.ts',
    find: `    state.workers.table.touch(worker.slot);
    worker.lingering.set(segment.token[at] as number, segment.number[at] as number);`,
    replace: `    worker.lingering.set(segment.token[at] as number, segment.number[at] as number);
    state.workers.table.touch(worker.slot);`,
  },
  {
    name: 'loss-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A worker that is lost while the checkpoint is written is lost there already.',
    file: 'src/scheduler/worker-commands.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.status = WORKER.lost;`,
    replace: `  worker.status = WORKER.lost;
  state.workers.table.touch(worker.slot);`,
  },
  {
    name: 'drain-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A worker that begins to drain while the checkpoint is written drains there already.',
    file: 'src/scheduler/worker-commands.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.draining = true;
  worker.drainDeadlineMs = Math.max(1, deadlineMs);`,
    replace: `  worker.draining = true;
  worker.drainDeadlineMs = Math.max(1, deadlineMs);
  state.workers.table.touch(worker.slot);`,
  },
  {
    name: 'freed-key-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'A key that is set free while the checkpoint is written is free there already.',
    file: 'src/scheduler/memory/key-table.ts',
    find: `    this.table.touch(slot);
    segment.freeAtMs[at] = freeAtMs;`,
    replace: `    segment.freeAtMs[at] = freeAtMs;
    this.table.touch(slot);`,
  },
  {
    name: 'log-time-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'The time of an entry that is applied while the checkpoint is written is there already.',
    file: 'src/scheduler/scheduler.ts',
    find: `    state.meta.touch();
    // 0 stands for "no instant" in many places.
    state.meta.logTimeMs = Math.max(1, entry.logTimeMs);`,
    replace: `    // 0 stands for "no instant" in many places.
    state.meta.logTimeMs = Math.max(1, entry.logTimeMs);
    state.meta.touch();`,
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
    name: 'saved-progress-is-captured-late',
    origin: 'atomix/copycat#242: a state that goes on changing while its snapshot is taken',
    wrong: 'What an attempt saves while the checkpoint is written is there already.',
    file: 'src/scheduler/complete.ts',
    find: `  state.tasks.touch(row);
  state.liveBytes += more;
  const ref = segment.checkpointRef[at] as number;
  segment.checkpointRef[at] = replaceBytes(state, ref, segment.checkpointBytes[at] as number, checkpoint.bytes);
  segment.checkpointBytes[at] = checkpoint.bytes.length;`,
    replace: `  state.liveBytes += more;
  const ref = segment.checkpointRef[at] as number;
  segment.checkpointRef[at] = replaceBytes(state, ref, segment.checkpointBytes[at] as number, checkpoint.bytes);
  segment.checkpointBytes[at] = checkpoint.bytes.length;
  state.tasks.touch(row);`,
  },
];
