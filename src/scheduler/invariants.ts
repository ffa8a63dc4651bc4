/** Every invariant of the whole state, checked the slow way: for tests and the simulator. */
import { assert } from '../base/assert.ts';
import { checkFar } from './far/check.ts';
import type { Group } from './groups.ts';
import { PRIORITY_MAX } from './limits.ts';
import { FLAGS, NO_ROW, ROW_MASK } from './rows.ts';
import { checkSchedules } from './schedules/check.ts';
import type { State } from './state.ts';
import { FIRST_FINAL, STATE, TASK_STATES } from './states.ts';
import { groupOf, templateOf, totalDeadlineMs } from './task-moves.ts';
import type { Template } from './templates.ts';
import { EMPTYING, type Worker, WORKER } from './workers.ts';

/** @throws InvariantError that names what does not hold */
export function checkState(state: State): void {
  const counted = checkRows(state);
  addFar(state, counted);
  for (const template of state.templates.slots) checkTemplate(template, counted.templates);
  checkCounts(state, counted.byQueue);
  let waiting = 0;
  for (const group of counted.groups) waiting += checkGroup(state, group);
  assert(waiting === state.counts[STATE.pending], 'every pending task waits in one group');
  let running = 0;
  for (const worker of state.workers.slots) running += checkWorker(state, worker);
  assert(running === state.counts[STATE.running], 'every running task is on one worker');
  assert(state.liveBytes === counted.bytes, 'bytes of live tasks equal a recount');
  checkSchedules(state);
}

interface Counted {
  readonly byQueue: Map<number, number[]>;
  readonly templates: Map<Template, number>;
  readonly groups: Set<Group>;
  bytes: number;
}

function checkRows(state: State): Counted {
  const counted: Counted = { byQueue: new Map(), templates: new Map(), groups: new Set(), bytes: 0 };
  const tokens = new Set<number>();
  let used = 0;
  for (let row = 0; row < state.rows.capacity; row += 1) {
    const segment = state.rows.segmentOf(row);
    const at = row & ROW_MASK;
    const number = segment.number[at] as number;
    if (number === 0) continue;
    used += 1;
    assert(number < state.meta.nextNumber, 'a number was given out');
    assert(state.memory.pages.rowOf(number) === row, 'a live number names its row');
    const code = segment.state[at] as number;
    assert(code < FIRST_FINAL, 'a final task has no row');
    const template = templateOf(state, row);
    counted.templates.set(template, (counted.templates.get(template) ?? 0) + 1);
    counted.groups.add(template.group).add(template.suspects);
    const counts = counted.byQueue.get(template.queue.slot) ?? TASK_STATES.map(() => 0);
    counts[code] = (counts[code] as number) + 1;
    counted.byQueue.set(template.queue.slot, counts);
    counted.bytes +=
      (segment.payloadBytes[at] as number) +
      (segment.headersBytes[at] as number) +
      (segment.checkpointBytes[at] as number);
    checkTimer(state, row);
    assert((segment.worker[at] !== NO_ROW) === (code === STATE.running), 'a task is on a worker exactly while it runs');
    assert((segment.token[at] as number) <= state.meta.lastToken, 'a token was given out');
    if (code === STATE.running) {
      assert(!tokens.has(segment.token[at] as number), 'no two running tasks have one token');
      tokens.add(segment.token[at] as number);
    } else {
      const running = FLAGS.cancelling | FLAGS.startWritten;
      assert(((segment.flags[at] as number) & running) === 0, 'only a running task is being cancelled');
    }
  }
  assert(used === state.rows.used, 'rows in use equal a recount');
  return counted;
}

/** Far tasks count as if they had rows. */
function addFar(state: State, counted: Counted): void {
  for (const [id, count] of checkFar(state)) {
    const template = state.templates.slots.at(id);
    counted.templates.set(template, (counted.templates.get(template) ?? 0) + count);
    const counts = counted.byQueue.get(template.queue.slot) ?? TASK_STATES.map(() => 0);
    counts[STATE.scheduled] = (counts[STATE.scheduled] as number) + count;
    counted.byQueue.set(template.queue.slot, counts);
  }
}

function checkTimer(state: State, row: number): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const isRunning = segment.state[at] === STATE.running;
  const ownMs = segment.dueMs[at] as number;
  const totalMs = totalDeadlineMs(templateOf(state, row), segment.createdAtMs[at] as number);
  const dueMs = ownMs === 0 ? totalMs : totalMs === 0 ? ownMs : Math.min(ownMs, totalMs);
  const [heap, other] = isRunning ? [state.running, state.waiting] : [state.waiting, state.running];
  assert(other.dueMsOf(row) === undefined, 'a task has no timer of another state');
  assert((heap.dueMsOf(row) ?? 0) === dueMs, 'a timer is set for the earliest of what may happen');
  const waits = segment.state[at] === STATE.scheduled || segment.state[at] === STATE.retrying;
  assert(!waits || dueMs > 0, 'a task that waits for its time has a time');
}

function checkTemplate(template: Template, counted: ReadonlyMap<Template, number>): void {
  assert(template.references === (counted.get(template) ?? 0), 'the users of a template equal a recount');
  assert(template.references > 0, 'a template that nobody uses is gone');
}

function checkCounts(state: State, byQueue: ReadonlyMap<number, readonly number[]>): void {
  const totals = TASK_STATES.map(() => 0);
  for (const queue of state.queues.list) {
    const counts = byQueue.get(queue.slot);
    let ended = 0;
    let live = 0;
    for (let code = 0; code < TASK_STATES.length; code += 1) {
      const count = queue.counts[code] as number;
      totals[code] = (totals[code] as number) + count;
      if (code >= FIRST_FINAL) {
        ended += count;
        continue;
      }
      live += count;
      assert(count === (counts?.[code] ?? 0), () => `the ${TASK_STATES[code]} tasks of ${queue.name} equal a recount`);
    }
    assert(queue.submitted === ended + live, 'every task that was submitted is somewhere');
  }
  assert(
    totals.every((total, code) => total === state.counts[code]),
    'the totals are the sums over the queues',
  );
}

function checkGroup(state: State, group: Group): number {
  let size = 0;
  let headKey = Number.POSITIVE_INFINITY;
  for (let priority = PRIORITY_MAX; priority >= 1; priority -= 1) {
    let sequence = 0;
    let before = NO_ROW;
    for (let row = group.headOf(priority); row !== NO_ROW;) {
      const segment = state.rows.segmentOf(row);
      const at = row & ROW_MASK;
      assert(segment.state[at] === STATE.pending, 'only ready tasks wait in a group');
      assert(groupOf(state, row) === group, 'a task waits in its own group');
      assert(templateOf(state, row).priority === priority, 'a task waits among those of its priority');
      assert(segment.previous[at] === before, 'neighbours know each other');
      assert((segment.readySequence[at] as number) > sequence, 'a list is in the order of becoming ready');
      sequence = segment.readySequence[at] as number;
      if (before === NO_ROW) headKey = priority * 2 ** 49 + sequence;
      before = row;
      row = segment.next[at] as number;
      size += 1;
    }
  }
  assert(size === group.size, 'the size of a group equals a recount');
  assert(group.headKey === headKey, 'a group knows its head');
  for (const link of group.links)
    assert(link.position < 0 || link.key <= headKey, 'a class never sees a group too late');
  const isLinked = group.links.every((link) => size === 0 || link.position >= 0);
  assert(isLinked, 'a group that has a task is in the order of every class that can run it');
  return size;
}

function checkWorker(state: State, worker: Worker): number {
  let running = 0;
  let suspects = 0;
  let before = NO_ROW;
  let token = 0;
  for (let row = worker.head; row !== NO_ROW;) {
    const segment = state.rows.segmentOf(row);
    const at = row & ROW_MASK;
    assert(segment.worker[at] === worker.slot && segment.state[at] === STATE.running, 'a worker lists what runs on it');
    assert(segment.previous[at] === before, 'neighbours know each other');
    assert((segment.token[at] as number) > token, 'a worker lists in the order of placement');
    token = segment.token[at] as number;
    if (((segment.flags[at] as number) & FLAGS.suspect) !== 0) suspects += 1;
    before = row;
    row = segment.next[at] as number;
    running += 1;
  }
  assert(worker.tail === before, 'a worker knows its last task');
  assert(worker.running === running && worker.suspects === suspects, 'what a worker runs equals a recount');
  assert(suspects <= 1, 'no two suspects are on one worker');
  assert(worker.freeSlots === worker.slots - running - worker.lingering.size, 'free slots equal a recount');
  assert(
    worker.takesTasks === (worker.status === WORKER.attached && !worker.draining),
    'only attached workers take tasks',
  );
  const isOpen = worker.takesTasks && worker.freeSlots > 0;
  assert(isOpen === worker.position >= 0, 'a worker with room stands in the order of its class');
  assert(state.workers.emptying.includes(worker) === (worker.emptying !== EMPTYING.no), 'who is emptied is listed');
  assert(worker.emptying === EMPTYING.no || running > 0, 'a worker is emptied as long as it runs something');
  if (worker.status === WORKER.ended) assert(running > 0, 'a worker that ended stays only for its tasks');
  else assert(state.workers.find(worker.id) === worker, 'a worker has its name');
  return running;
}
