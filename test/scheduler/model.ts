/**
 * The scheduler once more, as plainly as it can be said: objects, full scans, no index of any kind. It is slow and obviously
 * right; the real one is held against it. What it does not model (bytes, checkpoints, histories) has tests of its own.
 */
import type { Command, Completion, HeldAttempt, ScheduleCommand } from '../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../src/scheduler/limits.ts';
import type { Abort, CancelAnswer, CompletionAnswer, Reply } from '../../src/scheduler/outcome.ts';
import { backoffMs } from '../../src/scheduler/retry.ts';
import type { TaskState } from '../../src/scheduler/views.ts';
import { type ModelKey, type ModelTask, type ModelWorker, NEW_WORKER, recentCrashes, refused } from './model-parts.ts';

const FINAL: readonly TaskState[] = ['done', 'failed', 'cancelled'];

export class Model {
  readonly limits: SchedulerLimits;
  nowMs = 0;
  tasks: ModelTask[] = [];
  workers: ModelWorker[] = [];
  readonly sessions: Map<string, { floor: number; answers: Map<number, Reply> }> = new Map();
  readonly keys: Map<string, ModelKey> = new Map();
  lastToken = 0;
  lastRegistration = 0;
  nextSequence = 1;
  frontSequence = 0;
  term = 0;
  gateMs = 0;
  moves = 0;
  assigned: number[] = [];
  aborts: Abort[] = [];
  finished: number[] = [];

  constructor(limits: SchedulerLimits) {
    this.limits = limits;
  }

  /** Applies an entry; the answers are compared by the caller. */
  apply(nowMs: number, commands: readonly Command[]): Reply[] {
    this.nowMs = nowMs;
    this.assigned = [];
    this.aborts = [];
    this.finished = [];
    this.moves = this.limits.movesMax;
    this.fire();
    this.empty();
    const replies = commands.map((command) => this.command(command as Exclude<Command, ScheduleCommand>));
    this.empty();
    this.place();
    return replies;
  }

  byNumber(number: number): ModelTask | undefined {
    return this.tasks.find((task) => task.number === number);
  }

  running(worker: ModelWorker): ModelTask[] {
    return this.tasks.filter((task) => task.worker === worker).sort((left, right) => left.token - right.token);
  }

  named(id: string): ModelWorker | undefined {
    return this.workers.find((worker) => worker.id === id && worker.status !== 'ended');
  }

  private dueOf(task: ModelTask): number {
    if (FINAL.includes(task.state)) return Infinity;
    const { totalMs } = task.template.timeouts;
    return Math.min(task.dueMs || Infinity, totalMs === 0 ? Infinity : task.createdAtMs + totalMs);
  }

  private fire(): void {
    for (const worker of [...this.workers].sort((left, right) => left.registration - right.registration)) {
      const isOver = worker.deadlineMs > 0 && worker.deadlineMs <= this.nowMs && this.nowMs >= this.gateMs;
      if (isOver) {
        worker.deadlineMs = 0;
        if (this.running(worker).length > 0) worker.emptying ??= 'drain';
      }
      const isForgotten = worker.status === 'lost' && worker.awaySinceMs + this.limits.forgetWorkerMs <= this.nowMs;
      if (isForgotten && worker.emptying === undefined) this.workers = this.workers.filter((one) => one !== worker);
    }
    for (; this.moves > 0; this.moves -= 1) {
      const due = this.tasks
        .filter((task) => this.dueOf(task) <= this.nowMs && (task.state !== 'running' || this.nowMs >= this.gateMs))
        .sort((left, right) => this.dueOf(left) - this.dueOf(right) || left.number - right.number)[0];
      if (due === undefined) break;
      this.fireOne(due);
    }
    const expired = [...this.keys]
      .filter(([, key]) => key.freeAtMs > 0 && key.freeAtMs <= this.nowMs)
      .sort(([, left], [, right]) => left.freeAtMs - right.freeAtMs || left.number - right.number);
    for (const [name] of expired.slice(0, this.moves)) {
      this.keys.delete(name);
      this.moves -= 1;
    }
  }

  private fireOne(task: ModelTask): void {
    const { totalMs } = task.template.timeouts;
    const isTotal = totalMs > 0 && task.createdAtMs + totalMs <= this.dueOf(task);
    if (task.state === 'running') {
      this.abort(task, task.cancelling ? 'cancelled' : 'timeout');
      this.linger(task);
      if (task.cancelling) this.finish(task, 'cancelled', 'cancelled');
      else if (isTotal) this.finish(task, 'failed', 'total-timeout');
      else this.failure(task, false, undefined, 'run-timeout');
    } else if (isTotal) {
      this.finish(task, 'failed', 'total-timeout');
    } else if (task.state === 'pending') {
      this.finish(task, 'failed', 'queue-timeout');
    } else {
      this.ready(task, false);
    }
  }

  private ready(task: ModelTask, inFront: boolean): void {
    task.state = 'pending';
    this.leave(task);
    task.cancelling = false;
    const { queueMs } = task.template.timeouts;
    task.dueMs = queueMs === 0 ? 0 : this.nowMs + queueMs;
    task.suspect = recentCrashes(task, this.nowMs - this.limits.poisonWindowMs) >= 2;
    if (inFront) {
      this.frontSequence -= 1;
      task.sequence = this.frontSequence;
    } else {
      this.nextSequence += 1;
      task.sequence = this.nextSequence;
    }
  }

  private finish(task: ModelTask, state: TaskState, reason: string | undefined): void {
    task.state = state;
    task.reason = reason;
    this.leave(task);
    task.cancelling = false;
    task.dueMs = 0;
    this.finished.push(task.number);
    if (task.key === undefined) return;
    const key = this.keys.get(`${task.namespace} ${task.key}`);
    if (key?.number === task.number) key.freeAtMs = this.nowMs + this.limits.keyKeepMs;
  }

  private handBack(task: ModelTask): void {
    const { totalMs } = task.template.timeouts;
    if (task.cancelling) this.finish(task, 'cancelled', 'cancelled');
    else if (totalMs > 0 && task.createdAtMs + totalMs <= this.nowMs) this.finish(task, 'failed', 'total-timeout');
    else this.ready(task, true);
  }

  private crash(task: ModelTask): void {
    task.crashes += 1;
    const isThird =
      task.suspect && !task.cancelling && recentCrashes(task, this.nowMs - this.limits.poisonWindowMs) === 2;
    task.crashTimes.push(this.nowMs);
    if (isThird) this.finish(task, 'failed', 'poison');
    else this.handBack(task);
  }

  private failure(task: ModelTask, isLast: boolean, retryAfterMs: number | undefined, reason: string): void {
    task.failures += 1;
    const { retry } = task.template;
    if (isLast || task.failures >= retry.maxAttempts) {
      this.finish(task, 'failed', isLast ? 'non-retryable' : reason);
      return;
    }
    this.wait(task, 'retrying', retryAfterMs ?? backoffMs(retry, task.number, task.failures));
  }

  private wait(task: ModelTask, state: TaskState, delayMs: number): void {
    task.state = state;
    this.leave(task);
    task.suspect = false;
    task.dueMs = this.nowMs + Math.min(delayMs, this.limits.delayMsMax);
  }

  private abort(task: ModelTask, reason: Abort['reason']): void {
    this.aborts.push({ worker: task.worker!.id, number: task.number, fencingToken: task.token, reason });
  }

  private linger(task: ModelTask): void {
    task.worker!.lingering.set(task.token, task.number);
  }

  free(worker: ModelWorker): number {
    return worker.slots - this.running(worker).length - worker.lingering.size;
  }

  private empty(): void {
    const emptying = this.workers.filter((worker) => worker.emptying !== undefined);
    for (const worker of emptying.sort((left, right) => left.registration - right.registration)) {
      for (const task of this.running(worker).reverse()) {
        if (this.moves <= 0) return;
        this.moves -= 1;
        if (worker.emptying === 'crash') {
          this.crash(task);
        } else {
          if (worker.emptying === 'drain') {
            this.abort(task, 'drain');
            this.linger(task);
          }
          this.handBack(task);
        }
      }
    }
  }

  /** The task runs nowhere from now on. With its last task a worker is empty at once, whatever ended that task. */
  private leave(task: ModelTask): void {
    task.worker = undefined;
    this.settleEmptied();
  }

  private settleEmptied(): void {
    for (const worker of this.workers) if (this.running(worker).length === 0) worker.emptying = undefined;
    this.workers = this.workers.filter((worker) => worker.status !== 'ended' || worker.emptying !== undefined);
  }

  private end(worker: ModelWorker, emptying: string): void {
    worker.status = 'ended';
    worker.draining = false;
    worker.deadlineMs = 0;
    worker.emptying = emptying;
    this.settleEmptied();
  }

  private away(worker: ModelWorker): void {
    worker.status = 'away';
    worker.awaySinceMs = this.nowMs;
  }

  private place(): void {
    for (let left = this.limits.movesMax; left > 0; left -= 1) {
      const ready = this.tasks.filter((task) => task.state === 'pending' && this.workersFor(task).length > 0);
      ready.sort((one, other) => one.template.priority - other.template.priority || one.sequence - other.sequence);
      const task = ready[0];
      if (task === undefined) return;
      const worker = this.workersFor(task)[0]!;
      this.lastToken += 1;
      task.state = 'running';
      task.token = this.lastToken;
      task.worker = worker;
      task.deliveries += 1;
      const { runMs } = task.template.timeouts;
      task.dueMs = runMs === 0 ? 0 : this.nowMs + runMs;
      this.assigned.push(task.number);
    }
  }

  /** The workers that could take it now, the one with most room first. */
  private workersFor(task: ModelTask): ModelWorker[] {
    const fit = this.workers.filter(
      (worker) =>
        worker.status === 'attached' &&
        !worker.draining &&
        worker.namespace === task.namespace &&
        worker.types.includes(task.template.type) &&
        task.template.requires.every(([name, value]) =>
          worker.labels.some((pair) => pair[0] === name && pair[1] === value),
        ) &&
        this.free(worker) > 0 &&
        !(task.suspect && this.running(worker).some((other) => other.suspect)),
    );
    return fit.sort(
      (left, right) =>
        this.free(right) * left.slots - this.free(left) * right.slots || left.registration - right.registration,
    );
  }

  // Commands.

  private command(command: Exclude<Command, ScheduleCommand>): Reply {
    switch (command.type) {
      case 'tick':
      case 'checkpointMark':
        return { type: 'ok' };
      case 'termStarted':
        if (command.term <= this.term) return refused('INVALID_TRANSITION');
        this.term = command.term;
        this.gateMs = this.nowMs + this.limits.leaseMs;
        for (const worker of this.workers) if (worker.status === 'attached') this.away(worker);
        return { type: 'ok' };
      case 'openSession':
        if (!this.sessions.has(command.session)) this.sessions.set(command.session, { floor: 0, answers: new Map() });
        return { type: 'ok' };
      case 'endSession':
        this.sessions.delete(command.session);
        return { type: 'ok' };
      case 'submit':
        return this.submitInSession(command);
      case 'complete':
        return {
          type: 'completed',
          answers: command.completions.map((completion) => this.complete(command.worker, completion)),
        };
      case 'cancel':
        return { type: 'cancelled', answers: command.numbers.map((number) => this.cancel(command.namespace, number)) };
      case 'saveCheckpoint':
      case 'extendRun':
        return this.duringAttempt(command);
      case 'workerAttached':
        return this.attach(command);
      case 'workerAway':
      case 'workerLost':
      case 'workerLeft':
      case 'drainWorker':
      case 'resumeWorker':
        return this.aboutWorker(command);
    }
  }

  private submitInSession(command: Extract<Command, { type: 'submit' }>): Reply {
    const session = this.sessions.get(command.session);
    if (session === undefined) return refused('SESSION_EXPIRED');
    session.floor = Math.max(session.floor, command.answeredBelow);
    for (const sequence of session.answers.keys()) if (sequence < session.floor) session.answers.delete(sequence);
    const before = session.answers.get(command.sequence);
    if (before?.type === 'submitted') return { ...before, repeated: true };
    if (before !== undefined) return before;
    if (command.sequence < session.floor) return refused('SESSION_EXPIRED');
    const reply = this.submit(command);
    session.answers.set(command.sequence, reply);
    while (session.answers.size > this.limits.answersMax) {
      const oldest = Math.min(...session.answers.keys());
      session.answers.delete(oldest);
      session.floor = oldest + 1;
    }
    return reply;
  }

  private submit(command: Extract<Command, { type: 'submit' }>): Reply {
    const firstNumber = this.tasks.length + 1;
    const fresh: ModelTask[] = [];
    const existing: { position: number; number: number }[] = [];
    const keys = new Map(this.keys);
    for (const [position, task] of command.tasks.entries()) {
      const template = command.templates[task.template];
      if (template === undefined) return refused('INVALID_ARGUMENT', position);
      const content = JSON.stringify([template.type, template.queue, [...task.payload.bytes]]);
      const keyName = `${command.namespace} ${task.key}`;
      const held = task.key === undefined ? undefined : keys.get(keyName);
      if (held !== undefined) {
        if (held.content !== content) return refused('KEY_CONFLICT', position);
        existing.push({ position, number: held.number });
        continue;
      }
      const number = firstNumber + fresh.length;
      if (task.key !== undefined) keys.set(keyName, { number, content, freeAtMs: 0 });
      const runAtMs = task.runAtMs ?? (task.delayMs === undefined ? 0 : this.nowMs + task.delayMs);
      fresh.push({
        number,
        namespace: command.namespace,
        template,
        key: task.key,
        state: 'scheduled',
        createdAtMs: this.nowMs,
        dueMs: runAtMs > this.nowMs ? runAtMs : 0,
        sequence: 0,
        token: 0,
        worker: undefined,
        cancelling: false,
        suspect: false,
        crashTimes: [],
        failures: 0,
        crashes: 0,
        deliveries: 0,
        reason: undefined,
      });
    }
    for (const [name, key] of keys) this.keys.set(name, key);
    for (const task of fresh) {
      this.tasks.push(task);
      if (task.dueMs === 0) this.ready(task, false);
    }
    return { type: 'submitted', firstNumber, created: fresh.length, existing, repeated: false };
  }

  private complete(workerId: string, completion: Completion): CompletionAnswer {
    const { number, fencingToken, outcome } = completion;
    const task = this.byNumber(number);
    if (task?.state === 'running' && task.token === fencingToken && task.worker?.id === workerId) {
      if (outcome.type === 'done') this.finish(task, 'done', undefined);
      else if (task.cancelling) this.finish(task, 'cancelled', 'cancelled');
      else if (outcome.type === 'failed') this.failure(task, outcome.nonRetryable, outcome.retryAfterMs, 'error');
      else if (outcome.type === 'snoozed') this.wait(task, 'scheduled', outcome.delayMs);
      else this.handBack(task);
      return 'ok';
    }
    const worker = this.named(workerId);
    if (worker?.lingering.get(fencingToken) === number) worker.lingering.delete(fencingToken);
    return this.answerOf(number);
  }

  private cancel(namespace: string, number: number): CancelAnswer {
    const task = this.byNumber(number);
    if (task === undefined) return 'NOT_FOUND';
    if (FINAL.includes(task.state)) return 'ALREADY_FINAL';
    if (task.namespace !== namespace) return 'NOT_FOUND';
    if (task.state !== 'running') {
      this.finish(task, 'cancelled', 'cancelled');
      return 'cancelled';
    }
    if (!task.cancelling) {
      task.cancelling = true;
      task.dueMs = this.nowMs + this.limits.cancelGraceMs;
      this.abort(task, 'cancelled');
    }
    return 'cancelling';
  }

  private duringAttempt(command: Extract<Command, { type: 'saveCheckpoint' | 'extendRun' }>): Reply {
    const task = this.byNumber(command.number);
    if (task === undefined) return refused('NOT_FOUND');
    if (FINAL.includes(task.state)) return refused('ALREADY_FINAL');
    if (task.state !== 'running' || task.token !== command.fencingToken) return refused('STALE_LEASE');
    if (command.type === 'extendRun' && !task.cancelling) task.dueMs = this.nowMs + command.runMs;
    return { type: 'ok' };
  }

  private attach(command: Extract<Command, { type: 'workerAttached' }>): Reply {
    const before = this.named(command.worker);
    const isSame = before?.instance === command.instance;
    if (before !== undefined && !isSame && before.status === 'attached') return refused('WORKER_ID_IN_USE');
    let worker = before;
    if (before !== undefined && (!isSame || (before.emptying !== undefined && before.emptying !== 'drain'))) {
      const restarted = before.term === this.term ? 'crash' : 'return';
      this.end(before, isSame ? before.emptying! : restarted);
      worker = undefined;
    }
    if (worker === undefined) {
      this.lastRegistration += 1;
      worker = { ...NEW_WORKER, id: command.worker, registration: this.lastRegistration, lingering: new Map() };
      this.workers.push(worker);
    }
    const { instance, namespace, types, labels, slots } = command;
    Object.assign(worker, {
      instance,
      namespace,
      types,
      labels,
      slots,
      status: 'attached',
      term: this.term,
      awaySinceMs: 0,
    });
    const named = [...command.held, ...command.unanswered];
    for (const task of this.running(worker).reverse()) {
      if (!named.some((one) => one.number === task.number && one.fencingToken === task.token)) this.handBack(task);
    }
    const isOwn = (attempt: HeldAttempt): boolean => {
      const task = this.byNumber(attempt.number);
      return task?.state === 'running' && task.token === attempt.fencingToken && task.worker === worker;
    };
    const stale = command.held.filter((attempt) => !isOwn(attempt));
    worker.lingering = new Map(stale.map((attempt) => [attempt.fencingToken, attempt.number]));
    const settled = command.unanswered
      .filter((attempt) => !isOwn(attempt))
      .map((attempt) => ({ ...attempt, answer: this.answerOf(attempt.number) }));
    return { type: 'attached', stale, settled };
  }

  private answerOf(number: number): CompletionAnswer {
    const task = this.byNumber(number);
    if (task === undefined) return 'NOT_FOUND';
    return FINAL.includes(task.state) ? 'ALREADY_FINAL' : 'STALE_LEASE';
  }

  private aboutWorker(
    command: Extract<Command, { type: 'workerAway' | 'workerLost' | 'workerLeft' | 'drainWorker' | 'resumeWorker' }>,
  ): Reply {
    const worker = this.named(command.worker);
    const isKnown = worker !== undefined && (!('instance' in command) || command.instance === worker.instance);
    if (!isKnown) return refused('NOT_FOUND');
    switch (command.type) {
      case 'workerAway':
        if (worker.status === 'attached') this.away(worker);
        break;
      case 'workerLost':
        if (worker.status === 'lost') break;
        if (this.nowMs < this.gateMs) return refused('INVALID_TRANSITION');
        if (worker.status === 'attached') this.away(worker);
        worker.status = 'lost';
        worker.lingering.clear();
        worker.emptying = worker.term === this.term ? 'crash' : 'return';
        break;
      case 'workerLeft':
        this.end(worker, 'return');
        break;
      case 'drainWorker':
        worker.draining = true;
        worker.deadlineMs = Math.max(1, command.deadlineMs);
        break;
      case 'resumeWorker':
        worker.draining = false;
        worker.deadlineMs = 0;
        if (worker.emptying === 'drain') worker.emptying = undefined;
        break;
    }
    this.settleEmptied();
    return { type: 'ok' };
  }
}
