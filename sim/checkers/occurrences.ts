import type { PrincipalCommand } from '../../src/scheduler/command.ts';
import { schedulerLimits, type SchedulerLimits } from '../../src/scheduler/limits.ts';
import type { ApplyOutcome, Reply, SettledOccurrence } from '../../src/scheduler/outcome.ts';
import type { ScheduleView, TaskView } from '../../src/scheduler/views.ts';
import { decodeValue } from '../../src/protocol/codec.ts';
import type { ScheduleBook } from '../schedules/book.ts';
import { instantsBetween } from '../schedules/expected-instants.ts';
import type { Moment } from '../schedules/occasions.ts';
import type { Plan } from '../schedules/plan.ts';
import type { Witness } from '../witness.ts';
import { Violation } from '../world.ts';
import { type ClusterView, PropertyChecker, type WitnessedEntry } from './checker.ts';
import { noCounts, type OccurrenceCounts } from './occurrence-counts.ts';
import { ScheduleModel } from './schedule-model.ts';

/** The namespace of all simulated clients. */
const NAMESPACE = 'default';
/** What is planned and not settled so long after its instant, in log time, is overdue once all is healed. In ms. */
const SLACK_MS = 1_500;

/**
 * Each instant that a schedule names, by the slow reading of what was put, is settled once: by one task or by one reason, which is the
 * one that its policy gives; in order, not early, and with no task beside others where that must not be. Versions follow each other
 * without a gap. A task says which occurrence made it, and all peers that lead settle the same.
 */
export class Occurrences extends PropertyChecker {
  override readonly name = 'occurrences';
  readonly counts: OccurrenceCounts = noCounts();
  readonly #book: ScheduleBook;
  readonly #witness: Witness;
  readonly #limits: SchedulerLimits;
  readonly #models: Map<number, ScheduleModel> = new Map();
  readonly #byId: Map<string, ScheduleModel> = new Map();
  /** What made each task of a schedule that is not final. */
  readonly #makers: Map<number, SettledOccurrence> = new Map();
  /** Planned occurrences that were settled, by number, version and instant. */
  readonly #settled: Set<string> = new Set();
  /** The mark of every version of an id that was ever put. */
  readonly #versions: Set<string> = new Set();
  /** First answers to triggers and backfills, by schedule and request. */
  readonly #answers: Map<string, string> = new Map();
  /** The newest triggers and backfills that were executed, by number of the schedule: so many are remembered there. */
  readonly #executed: Map<number, string[]> = new Map();
  /** What each entry settled, as text, by index; and what leaders said of it that is not compared yet. */
  readonly #told: Map<number, string> = new Map();
  readonly #led: { readonly peer: string; readonly index: number; readonly told: string }[] = [];
  /** Called when something was stored or settled. */
  news: (moment: Moment) => void = () => {};

  constructor(cluster: ClusterView, book: ScheduleBook, witness: Witness, limits: Partial<SchedulerLimits>) {
    super(cluster);
    this.#book = book;
    this.#witness = witness;
    this.#limits = schedulerLimits(limits);
  }

  witnessed({ index, commands, outcome, scheduler }: WitnessedEntry): void {
    const { logTimeMs } = scheduler;
    const term = this.cluster.committed.at(index)?.term ?? 0;
    const settled = this.#settledBySchedule(outcome, index);
    const finished = this.#finishedBySchedule(outcome);
    const touched = this.#touched(commands, outcome.replies, settled, finished, logTimeMs);
    const begin = (model: ScheduleModel, changed: boolean): void => {
      const shown = scheduler.schedule(NAMESPACE, model.id);
      const view = shown?.number === model.number ? shown : undefined;
      const own = { settled: settled.get(model.number) ?? [], finished: finished.get(model.number) ?? [] };
      model.begin({ index, term, logTimeMs, ...own, view, changed });
    };
    for (const [model, changed] of touched) begin(model, changed);
    for (const [at, { command }] of commands.entries()) {
      const made = this.#command(command, outcome.replies[at], logTimeMs);
      if (made === undefined) continue;
      // Others of the same entry may have to do with it already.
      touched.set(made, true);
      begin(made, true);
    }
    for (const model of touched.keys()) model.end();
    for (const [number, [first]] of settled) {
      const model = this.#models.get(number);
      if (model !== undefined && touched.has(model)) continue;
      throw new Violation(
        this.name,
        `schedule ${first?.id} (${number}) settles something at ${index}, and is not there`,
      );
    }
    if (settled.size > 0) this.news('settled');
    if (commands.some(({ command }) => command.type === 'advanceSchedule')) this.news('stored');
  }

  /** A leader has applied an entry, and this is what it settled. */
  ledBy(peer: string, index: number, settled: readonly SettledOccurrence[]): void {
    // The witness is behind it by the event that goes on.
    if (settled.length > 0) this.#led.push({ peer, index, told: JSON.stringify(settled) });
  }

  /** Why schedules have not come to rest at log time `nowMs`; undefined when they have. */
  overdue(nowMs: number): string | undefined {
    for (const model of this.#byId.values()) {
      const words = model.overdue(nowMs, SLACK_MS);
      if (words !== undefined) return words;
    }
    return undefined;
  }

  /** True when the task of that number was made by a schedule that never let two tasks run at a time. */
  isSingle(number: number): boolean {
    const maker = this.#makers.get(number);
    const model = maker === undefined ? undefined : this.#models.get(maker.schedule);
    return model !== undefined && model.isSingle && this.#byId.get(model.id) === model;
  }

  /** How many schedules there are. */
  get size(): number {
    return this.#byId.size;
  }

  whole(): void {
    for (const { peer, index, told } of this.#led.splice(0)) {
      this.compare(
        told === this.#told.get(index),
        () => `${peer} settles ${told} at ${index}; others ${this.#told.get(index)}`,
      );
    }
    for (const { schedule, mark, version } of this.#book.puts.splice(0)) {
      this.compare(
        this.#versions.has(`${schedule}/${version}/${mark}`),
        () => `${mark} was acknowledged as version ${version} of ${schedule}, which nobody committed`,
      );
    }
    for (const { schedule, request, answer } of this.#book.triggers.splice(0)) {
      const first = this.#answers.get(`${schedule}/${request}`);
      const skipped = answer.skipped === undefined ? '' : `"${answer.skipped}"`;
      this.compare(
        first !== undefined &&
          (skipped === '' || first.includes(skipped)) &&
          first.includes('buffered') === answer.buffered,
        () => `trigger ${request} of ${schedule} was answered ${JSON.stringify(answer)}, and is ${first}`,
      );
    }
  }

  #settledBySchedule({ occurrences }: ApplyOutcome, index: number): Map<number, SettledOccurrence[]> {
    const found = new Map<number, SettledOccurrence[]>();
    if (occurrences.length === 0) return found;
    this.#told.set(index, JSON.stringify(occurrences));
    for (const one of occurrences) {
      const { schedule, version, plannedMs, kind, task, id } = one;
      const key = `${schedule}/${version}/${plannedMs}`;
      if (kind === 'planned') {
        this.compare(!this.#settled.has(key), () => `schedule ${id} (${key}) is settled a second time at ${index}`);
        this.#settled.add(key);
      }
      if (task !== undefined) this.#made(one, task);
      const list = found.get(schedule);
      if (list === undefined) found.set(schedule, [one]);
      else list.push(one);
    }
    return found;
  }

  /** A task was made by an occurrence: it says so. */
  #made(settled: SettledOccurrence, task: number): void {
    this.compare(!this.#makers.has(task), () => `task ${task} is made by two occurrences`);
    this.#makers.set(task, settled);
    const view = this.#witness.scheduler.task(task);
    if (view !== undefined && 'state' in view) this.#compareName(view, settled);
  }

  #compareName({ occurrence }: TaskView, { id, version, plannedMs, kind, task }: SettledOccurrence): void {
    this.compare(
      occurrence?.schedule === id &&
        occurrence.version === version &&
        occurrence.plannedMs === plannedMs &&
        occurrence.kind === kind,
      () => `task ${task} of ${kind} ${plannedMs} of ${id} says ${JSON.stringify(occurrence)}`,
    );
  }

  #finishedBySchedule({ finished }: ApplyOutcome): Map<number, { number: number; state: string }[]> {
    const found = new Map<number, { number: number; state: string }[]>();
    for (const number of finished) {
      const maker = this.#makers.get(number);
      if (maker === undefined) continue;
      this.#makers.delete(number);
      const { scheduler } = this.#witness;
      const location = scheduler.task(number);
      const block =
        location !== undefined && 'finishedBlock' in location ? scheduler.block(location.finishedBlock) : undefined;
      const view = block === undefined ? undefined : scheduler.readFinished(block, number);
      if (view !== undefined) this.#compareName(view, maker);
      const one = { number, state: view?.state ?? 'unknown' };
      const list = found.get(maker.schedule);
      if (list === undefined) found.set(maker.schedule, [one]);
      else list.push(one);
    }
    return found;
  }

  /** Schedules that the entry has to do with, and whether it changes them. */
  #touched(
    commands: readonly PrincipalCommand[],
    replies: readonly Reply[],
    settled: ReadonlyMap<number, unknown>,
    finished: ReadonlyMap<number, unknown>,
    logTimeMs: number,
  ): Map<ScheduleModel, boolean> {
    const touched = new Map<ScheduleModel, boolean>();
    const touch = (model: ScheduleModel | undefined, changed: boolean): void => {
      if (model !== undefined) touched.set(model, changed || touched.get(model) === true);
    };
    for (const number of settled.keys()) touch(this.#models.get(number), false);
    for (const number of finished.keys()) touch(this.#models.get(number), false);
    for (const model of this.#byId.values()) if (model.isDue(logTimeMs)) touch(model, false);
    for (const [at, { command }] of commands.entries()) {
      if ('schedule' in command) touch(this.#byId.get(command.schedule), isChange(replies[at]));
      else if (command.type === 'advanceSchedule') touch(this.#models.get(command.number), false);
    }
    return touched;
  }

  /** What a command does to the schedule that it names. @returns a schedule that it makes */
  #command(
    command: PrincipalCommand['command'],
    reply: Reply | undefined,
    logTimeMs: number,
  ): ScheduleModel | undefined {
    if (reply === undefined || reply.type === 'refused') return undefined;
    if (command.type === 'advanceSchedule')
      this.#models.get(command.number)?.stored(command.occurrences, command.throughMs);
    if (!('schedule' in command)) return undefined;
    const model = this.#byId.get(command.schedule);
    switch (command.type) {
      case 'putSchedule':
        return reply.type === 'schedulePut' ? this.#put(command, reply, logTimeMs) : undefined;
      case 'deleteSchedule':
        model?.delete();
        this.#byId.delete(command.schedule);
        return undefined;
      case 'pauseSchedule':
        model?.pause();
        return undefined;
      case 'resumeSchedule':
        model?.resume();
        return undefined;
      case 'triggerSchedule': {
        if (reply.type !== 'scheduleTriggered') return undefined;
        const text = JSON.stringify(reply.outcome);
        if (this.#isFirst(model, command, text, reply.repeated)) model?.trigger(reply.outcome, command.overlap);
        return undefined;
      }
      case 'backfillSchedule':
        if (reply.type !== 'backfilled') return undefined;
        if (!this.#isFirst(model, command, String(reply.accepted), reply.repeated)) return undefined;
        this.#compareRange(model, command.request, command.plannedMs);
        model?.backfill(command.plannedMs, reply.accepted, command.overlap);
        return undefined;
    }
  }

  #put(
    command: Extract<PrincipalCommand['command'], { type: 'putSchedule' }>,
    reply: Extract<Reply, { type: 'schedulePut' }>,
    logTimeMs: number,
  ): ScheduleModel | undefined {
    const { schedule: id } = command;
    const plan = this.#planOf(command.task.payload.bytes);
    const { number, version, created, unchanged } = reply;
    const model = this.#byId.get(id);
    this.compare(created === (model === undefined), () => `schedule ${id} is put and ${created ? '' : 'not '}made`);
    if (unchanged) {
      this.compare(
        model?.plan === plan && model.version === version,
        () => `put ${plan.mark} of ${id} changes nothing, and there is ${model?.plan.mark}`,
      );
      return undefined;
    }
    this.#versions.add(`${id}/${version}/${plan.mark}`);
    if (model !== undefined) {
      this.compare(model.number === number, () => `schedule ${id} has number ${model.number}, then ${number}`);
      model.change(plan, version);
      return undefined;
    }
    this.compare(
      !this.#models.has(number) && version === 1,
      () => `schedule ${id} gets a number that was used: ${number}`,
    );
    const parts = { number, id, limits: this.#limits, counts: this.counts, compare: this.compare };
    const made = new ScheduleModel(parts, plan, logTimeMs);
    this.#models.set(number, made);
    this.#byId.set(id, made);
    return made;
  }

  #planOf(payload: Uint8Array): Plan {
    const value = decodeValue(payload);
    const mark = typeof value === 'object' && value !== null && 'put' in value ? String(value.put) : '';
    const plan = this.#book.plans.get(mark);
    if (plan === undefined) throw new Violation(this.name, `schedule of ${mark} is put, which nobody asked for`);
    return plan;
  }

  #isFirst(
    model: ScheduleModel | undefined,
    command: { readonly type: string; readonly schedule: string; readonly request: string },
    answer: string,
    repeated: boolean,
  ): boolean {
    const key = `${command.schedule}/${command.request}`;
    const first = this.#answers.get(key);
    if (!repeated) {
      this.#answers.set(key, answer);
      if (model !== undefined) this.#execute(model, `${command.type} ${command.request}`);
    } else this.compare(first === answer, () => `${command.type} ${key} is answered ${answer}, after ${first}`);
    return !repeated;
  }

  /** What a schedule still remembers is not executed a second time. */
  #execute({ id, number }: ScheduleModel, request: string): void {
    const executed = this.#executed.get(number) ?? [];
    this.#executed.set(number, executed);
    this.compare(!executed.includes(request), () => `${request} of ${id} is executed twice`);
    executed.push(request);
    if (executed.length > this.#limits.scheduleRequestsMax) executed.shift();
  }

  #compareRange(model: ScheduleModel | undefined, request: string, plannedMs: readonly number[]): void {
    const asked = this.#book.backfills.get(request);
    if (asked === undefined || model === undefined)
      throw new Violation(this.name, `nobody asked for backfill ${request}`);
    const expected = instantsBetween(model.plan.definition, asked.fromMs, asked.toMs);
    this.compare(
      expected.join() === plannedMs.join(),
      () => `backfill ${request} of ${model.id} is of ${plannedMs.join()}; the calendar says ${expected.join()}`,
    );
  }

  /** When everything has settled, all peers show the same. */
  settled(): void {
    this.whole();
    const own = this.#shown(this.#witness.scheduler.schedules(NAMESPACE, '', 100));
    const { appliedIndex } = this.#witness.scheduler;
    for (const { id, scheduler } of this.cluster.peers) {
      if (scheduler?.appliedIndex !== appliedIndex) continue;
      const other = this.#shown(scheduler.schedules(NAMESPACE, '', 100));
      this.compare(other === own, () => `${id} shows other schedules: ${other}, not ${own}`);
    }
  }

  #shown(views: readonly ScheduleView[]): string {
    return JSON.stringify(views, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value));
  }
}

function isChange(reply: Reply | undefined): boolean {
  return reply?.type === 'schedulePut' && !reply.unchanged && !reply.created;
}
