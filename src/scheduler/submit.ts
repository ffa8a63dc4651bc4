/**
 * Taking tasks in: all of a submission or nothing. It is read twice, straight from the entry: first everything is checked and
 * nothing changed, then the rows are made. No object is made for a task unless it has a key.
 */
import { ByteReader, DecodeError } from '../base/bytes.ts';
import { type Hash64, hash64, sameHash } from '../base/hash.ts';
import { isName } from '../base/ids.ts';
import type { Labels, TaskTemplate } from './command.ts';
import { decodeCount, decodeEncoding, decodeTemplate } from './decode-parts.ts';
import { ATTEMPTS_MAX, PRIORITY_MAX, type SchedulerLimits } from './limits.ts';
import { firstDueMs, isFar, putAway } from './far/far.ts';
import { makeRow, setHeaders } from './new-row.ts';
import type { Refusal, Reply, SchedulerErrorCode, Submitted } from './outcome.ts';
import { ROW_MASK } from './rows.ts';
import type { State } from './state.ts';
import { makeReady, setTimer, templateOf } from './task-moves.ts';
import type { Template } from './templates.ts';
import { TASK_BITS } from './version.ts';

const TASK_BITS_ALL = 3 | TASK_BITS.headers | TASK_BITS.key | TASK_BITS.runAt | TASK_BITS.delay;

/** A template of the submission: known, or read for the first time, or unfit. */
interface Plan {
  template: Template | undefined;
  readonly bytes: Uint8Array;
  readonly read: TaskTemplate | undefined;
}

/** A submission after the first reading. */
interface Submission {
  readonly plans: readonly Plan[];
  readonly count: number;
  /** Where the tasks begin in the entry. */
  readonly tasksAt: number;
  /** The tasks that were there before, by position in order; undefined when no task has a key. */
  readonly existing: Map<number, number> | undefined;
  /** Content of the tasks with new keys, by position. */
  readonly hashes: Map<number, Hash64>;
}

/** Applies a `submit` whose session is read next. `end` is where the command ends in `entry`. */
export function submit(state: State, entry: Uint8Array, reader: ByteReader, end: number, principal: string): Reply {
  const sessionId = state.nameCache.read(entry, reader);
  const sequence = reader.varint();
  const answeredBelow = reader.varint();
  const session = state.sessions.find(sessionId);
  if (session === undefined) return skip(reader, end, 'SESSION_EXPIRED');
  state.sessions.forget(session, answeredBelow);
  const before = state.sessions.answer(session, sequence);
  if (before === 'expired') return skip(reader, end, 'SESSION_EXPIRED');
  if (before !== undefined) {
    reader.skip(end - reader.position);
    state.meta.repeatedSubmissions += 1;
    return before;
  }
  const answer = take(state, entry, reader, end, principal);
  state.sessions.keep(session, sequence, answer);
  return answer;
}

function skip(reader: ByteReader, end: number, code: SchedulerErrorCode): Refusal {
  reader.skip(end - reader.position);
  return refusal(code, -1);
}

function refusal(code: SchedulerErrorCode, position: number): Refusal {
  return { type: 'refused', code, position };
}

function take(
  state: State,
  entry: Uint8Array,
  reader: ByteReader,
  end: number,
  principal: string,
): Submitted | Refusal {
  const namespaceName = state.nameCache.read(entry, reader);
  if (!isName(namespaceName)) return skip(reader, end, 'INVALID_ARGUMENT');
  // 0 while nothing was ever submitted there; a refused submission must not change that.
  const namespace = state.findNamespace(namespaceName);
  const plans = readPlans(state, reader, namespace);
  const checked = check(state, entry, reader, end, namespace, plans);
  if ('type' in checked) {
    if (reader.position < end) reader.skip(end - reader.position);
    return checked;
  }
  const tasks = new ByteReader(entry, checked.tasksAt, end);
  return create(state, tasks, state.namespaceNumber(namespaceName), state.principalNumber(principal), checked);
}

function readPlans(state: State, reader: ByteReader, namespace: number): Plan[] {
  const plans: Plan[] = [];
  for (let left = decodeCount(reader); left > 0; left -= 1) {
    const bytes = reader.raw(reader.u32());
    const template = state.templates.find(namespace, bytes);
    let read: TaskTemplate | undefined;
    if (template === undefined) {
      const own = new ByteReader(bytes);
      read = decodeTemplate(own);
      own.end();
      if (!isFit(read, state.limits)) read = undefined;
    }
    plans.push({ template, bytes, read });
  }
  return plans;
}

/** First reading: everything that could refuse the submission. */
function check(
  state: State,
  entry: Uint8Array,
  reader: ByteReader,
  end: number,
  namespace: number,
  plans: readonly Plan[],
): Submission | Refusal {
  const { limits } = state;
  const count = decodeCount(reader);
  if (count === 0 || count > limits.batchTasksMax) return refusal('INVALID_ARGUMENT', -1);
  const tasksAt = reader.position;
  const keyed = new KeyCheck(state, namespace);
  let bytes = 0;
  let farTasks = 0;
  let farBytes = 0;
  for (let position = 0; position < count; position += 1) {
    const bits = reader.u8();
    if (bits > TASK_BITS_ALL) throw new DecodeError('a task has bits that are unknown here');
    const plan = plans[reader.varint()];
    if (plan === undefined || (plan.template === undefined && plan.read === undefined)) {
      return refusal('INVALID_ARGUMENT', position);
    }
    const payloadBytes = reader.varint();
    const payloadAt = reader.position;
    reader.skip(payloadBytes);
    let headersBytes = 0;
    let runAtMs = 0;
    const existingBefore = keyed.existingCount;
    if ((bits & ~3) !== 0) {
      if ((bits & TASK_BITS.headers) !== 0) {
        decodeEncoding(reader.u8());
        headersBytes = reader.varint();
        reader.skip(headersBytes);
      }
      const key = (bits & TASK_BITS.key) === 0 ? undefined : reader.ascii();
      runAtMs = readDueMs(state, reader, bits);
      if (runAtMs > state.nowMs + limits.delayMsMax) return refusal('INVALID_ARGUMENT', position);
      if (key !== undefined) {
        const payload = entry.subarray(payloadAt, payloadAt + payloadBytes);
        const code = keyed.check(position, key, plan, payload);
        if (code !== undefined) return refusal(code, position);
      }
    }
    if (payloadBytes > limits.payloadBytesMax || headersBytes > limits.headersBytesMax) {
      return refusal('INVALID_ARGUMENT', position);
    }
    if (runAtMs === 0 || !leavesMemory(state, plan, runAtMs)) {
      bytes += payloadBytes + headersBytes;
    } else if (keyed.existingCount === existingBefore) {
      farTasks += 1;
      farBytes += payloadBytes + headersBytes;
    }
  }
  if (reader.position !== end) throw new DecodeError('a submission is not as long as it says');
  const near = count - keyed.existingCount - farTasks;
  if (state.rows.used + near > limits.liveTasksMax || state.liveBytes + bytes > limits.liveBytesMax) {
    return refusal('TASK_LIMIT', -1);
  }
  const { far } = state;
  if (far.tasks + farTasks > limits.farTasksMax || far.taskBytes + farBytes > limits.farBytesMax) {
    return refusal('TASK_LIMIT', -1);
  }
  if (!hasRoomForNames(state, namespace, plans)) return refusal('QUEUE_LIMIT', -1);
  return { plans, count, tasksAt, existing: keyed.existing, hashes: keyed.hashes };
}

/** Reads when the task is due; 0 for at once. */
function readDueMs(state: State, reader: ByteReader, bits: number): number {
  if ((bits & TASK_BITS.runAt) !== 0) {
    if ((bits & TASK_BITS.delay) !== 0) throw new DecodeError('a task has an instant and a delay');
    return reader.varint();
  }
  return (bits & TASK_BITS.delay) === 0 ? 0 : state.nowMs + reader.varint();
}

/** True when a task of the template of `plan` that is to run at `runAtMs` will be among the far ones. */
function leavesMemory(state: State, plan: Plan, runAtMs: number): boolean {
  const totalMs = plan.template?.totalMs ?? plan.read?.timeouts.totalMs ?? 0;
  return isFar(state, firstDueMs(state.nowMs, runAtMs, totalMs));
}

/** True when the names and queues that tasks of new templates bring, and those of a namespace and a principal, have room. */
export function hasRoomForNames(state: State, namespace: number, plans: readonly Pick<Plan, 'read'>[]): boolean {
  const { names } = state.memory;
  const queues = new Set<string>();
  let labels = 0;
  for (const { read } of plans) {
    if (read === undefined) continue;
    labels += read.requires.length;
    const name = names.find(namespace, read.queue);
    if (name === 0 || state.queues.find(namespace, name) === undefined) queues.add(read.queue);
  }
  if (state.queues.countOf(namespace) + queues.size > state.limits.queuesMax) return false;
  // Two and its labels for each template, one for the namespace, one for the principal.
  return names.count + 2 * plans.length + labels + 2 <= state.limits.namesMax;
}

/** Finds out which tasks with keys are new, were there before, or contradict what was there. */
class KeyCheck {
  existing: Map<number, number> | undefined;
  readonly hashes: Map<number, Hash64> = new Map();
  existingCount = 0;
  readonly #state: State;
  readonly #namespace: number;
  /** New keys of this submission, with the numbers that their tasks will have. */
  readonly #fresh: Map<string, { readonly number: number; readonly hash: Hash64 }> = new Map();

  constructor(state: State, namespace: number) {
    this.#state = state;
    this.#namespace = namespace;
  }

  check(position: number, key: string, plan: Plan, payload: Uint8Array): SchedulerErrorCode | undefined {
    if (!isName(key)) return 'INVALID_ARGUMENT';
    const { memory, meta } = this.#state;
    const hash = this.#contentHash(plan, payload);
    const slot = memory.keys.find(this.#namespace, asciiBytes(key));
    const held = slot === -1 ? undefined : memory.keys.entry(slot);
    const fresh = this.#fresh.get(key);
    if (held === undefined && fresh === undefined) {
      if (!memory.keys.hasRoom(this.#namespace, this.#fresh.size + 1)) return 'KEY_TABLE_FULL';
      this.#fresh.set(key, { number: meta.nextNumber + position - this.existingCount, hash });
      this.hashes.set(position, hash);
      return undefined;
    }
    const before = held === undefined ? fresh : { number: held.number, hash: held.contentHash };
    if (before === undefined || !sameHash(before.hash, hash)) return 'KEY_CONFLICT';
    this.existing ??= new Map();
    this.existing.set(position, before.number);
    this.existingCount += 1;
    return undefined;
  }

  /** Two tasks are the same when type, queue and payload are. */
  #contentHash(plan: Plan, payload: Uint8Array): Hash64 {
    const { writer } = this.#state;
    writer.reset();
    writer.ascii(plan.template?.type ?? plan.read?.type ?? '');
    writer.ascii(plan.template?.queue.name ?? plan.read?.queue ?? '');
    writer.raw(payload);
    return hash64(this.#state.crc32, writer.view());
  }
}

/** Second reading: makes the rows. */
function create(
  state: State,
  reader: ByteReader,
  namespace: number,
  principal: number,
  submission: Submission,
): Submitted {
  const { existing, plans, count } = submission;
  const firstNumber = state.meta.nextNumber;
  for (let position = 0; position < count; position += 1) {
    const bits = reader.u8();
    const plan = plans[reader.varint()] as Plan;
    const payload = reader.bytes();
    const row = existing?.has(position) === true ? -1 : createRow(state, plan, namespace, principal, bits & 3, payload);
    let runAtMs = 0;
    if ((bits & ~3) !== 0) runAtMs = readRest(state, reader, bits, row, namespace, submission.hashes.get(position));
    if (row !== -1) start(state, row, runAtMs);
  }
  const created = state.meta.nextNumber - firstNumber;
  const list = existing === undefined ? [] : [...existing].map(([position, number]) => ({ position, number }));
  return { type: 'submitted', firstNumber, created, existing: list, repeated: false };
}

function createRow(
  state: State,
  plan: Plan,
  namespace: number,
  principal: number,
  encoding: number,
  payload: Uint8Array,
): number {
  // Two templates of a submission may be equal.
  plan.template ??= state.templates.find(namespace, plan.bytes);
  plan.template ??= state.templates.add(namespace, plan.bytes, plan.read as TaskTemplate);
  return makeRow(state, plan.template, principal, encoding, payload);
}

/** Reads what few tasks have, into `row` unless that is -1. @returns when the task is due; 0 for at once */
function readRest(
  state: State,
  reader: ByteReader,
  bits: number,
  row: number,
  namespace: number,
  hash: Hash64 | undefined,
): number {
  const segment = row === -1 ? undefined : state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if ((bits & TASK_BITS.headers) !== 0) {
    const encoding = reader.u8();
    const headers = reader.bytes();
    if (row !== -1) setHeaders(state, row, encoding, headers);
  }
  if ((bits & TASK_BITS.key) !== 0) {
    const key = reader.bytes();
    if (segment !== undefined && hash !== undefined) {
      segment.key[at] = state.memory.keys.add(namespace, key, segment.number[at] as number, hash) + 1;
    }
  }
  return readDueMs(state, reader, bits);
}

/** The row is complete: it waits for its time, or in its line. */
function start(state: State, row: number, runAtMs: number): void {
  if (runAtMs <= state.nowMs) {
    makeReady(state, row, false);
    return;
  }
  const segment = state.rows.segmentOf(row);
  segment.runAtMs[row & ROW_MASK] = runAtMs;
  segment.dueMs[row & ROW_MASK] = runAtMs;
  const firstMs = firstDueMs(state.nowMs, runAtMs, templateOf(state, row).totalMs);
  if (isFar(state, firstMs)) putAway(state, row, firstMs);
  else setTimer(state, row);
}

/** True when a template is one that may be taken in. */
export function isFit(template: TaskTemplate, limits: SchedulerLimits): boolean {
  const { retry, timeouts, retention } = template;
  const spans = [retry.initialMs, retry.maxMs, timeouts.runMs, timeouts.queueMs, timeouts.totalMs];
  return (
    isName(template.type) &&
    isName(template.queue) &&
    template.priority >= 1 &&
    template.priority <= PRIORITY_MAX &&
    areLabels(template.requires, limits.labelsMax) &&
    retry.maxAttempts >= 1 &&
    retry.maxAttempts <= ATTEMPTS_MAX &&
    [...spans, retention.doneMs, retention.failedMs].every((spanMs) => spanMs <= limits.delayMsMax)
  );
}

/** True when `labels` are sorted by name, each name once, all of the name alphabet. */
export function areLabels(labels: Labels, labelsMax: number): boolean {
  if (labels.length > labelsMax) return false;
  return labels.every(([name, value], at) => {
    const before = labels[at - 1];
    return isName(name) && isName(value) && (before === undefined || before[0] < name);
  });
}

function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}
