/** Stories of schedules: the leader computes instants behind the scenes, and entries come when something is due. */
import type { Command, SchedulePolicy, TaskTemplate } from '../../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import type { ScheduleView } from '../../../src/scheduler/views.ts';
import { blob, template } from '../driver.ts';
import { Story } from '../story.ts';
import { advanceOf, calendar } from './keeper.ts';

type Put = Extract<Command, { type: 'putSchedule' }>;

/** What a story says of a schedule that is not as usual. */
export interface PutOverrides {
  readonly every?: string;
  readonly policy?: Partial<SchedulePolicy>;
  readonly expectedVersion?: number;
  readonly template?: Partial<TaskTemplate>;
  readonly payload?: string;
  readonly headers?: string | undefined;
  readonly paused?: boolean;
}

/** A `putSchedule` of a schedule that is due every minute. */
export function put(schedule: string, overrides: PutOverrides = {}): Put {
  return {
    type: 'putSchedule',
    namespace: 'default',
    schedule,
    expectedVersion: overrides.expectedVersion ?? -1,
    calendar: calendar(overrides.every ?? 'every 60000'),
    task: {
      template: template(overrides.template),
      payload: blob(overrides.payload ?? 'report'),
      ...(overrides.headers === undefined ? {} : { headers: blob(overrides.headers) }),
    },
    policy: {
      overlap: 'skip',
      catchUp: 'latest',
      catchUpWindowMs: 86_400_000,
      maxRuns: 0,
      pauseOnFailure: 0,
      ...overrides.policy,
    },
    paused: overrides.paused ?? false,
  };
}

/** A story in which the leader does its part. */
export class ScheduleStory extends Story {
  constructor(title: string, limits: Partial<SchedulerLimits> = {}) {
    super(title, limits, 999_960_000);
  }

  /** The leader computes what is wanted, until nothing is. */
  keep(): this {
    const { driver } = this;
    for (;;) {
      const wanting = driver.scheduler.wantingSchedules(100);
      if (wanting.length === 0 && !driver.scheduler.openCursors) return this;
      const commands: Command[] = wanting.map((one) => advanceOf(one, driver.scheduler.logTimeMs));
      this.quietly(...(commands.length === 0 ? [{ type: 'tick' } as const] : commands));
    }
  }

  /** One entry, and what it makes the leader do. */
  tell(...commands: Command[]): this {
    this.apply(...commands);
    return this.keep();
  }

  /** Time goes by as it does: an entry whenever something is due. */
  run(ms: number): this {
    const { driver } = this;
    const endMs = driver.nowMs + ms;
    this.keep();
    for (;;) {
      const dueMs = driver.scheduler.nextDueMs();
      if (dueMs === undefined || dueMs > endMs) break;
      driver.nowMs = Math.max(dueMs, driver.nowMs + 1);
      this.quietly({ type: 'tick' });
      this.keep();
    }
    driver.nowMs = endMs;
    return this;
  }

  /** Nothing happens for a while, then all at once. */
  outage(ms: number): this {
    this.driver.nowMs += ms;
    this.line(`[${this.at}] the cluster is back after ${ms / 1000} s`);
    this.quietly({ type: 'tick' });
    return this.keep();
  }

  /** What is to be seen of a schedule. */
  schedule(id: string): this {
    const view = this.view(id);
    const { counters } = view;
    const facts = [`version ${view.version}`];
    if (view.pause !== undefined) facts.push(`paused (${view.pause.reason}) by ${view.pause.by}`);
    if (view.ended) facts.push('ended');
    const skipped = Object.entries(counters.skipped).filter(([, count]) => count > 0);
    facts.push(`${view.unfinished} unfinished`, `fired ${Object.values(counters.fired).join('+')}`);
    facts.push(`skipped ${skipped.map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none'}`);
    if (view.buffered.length > 0) facts.push(`waiting ${view.buffered.map((one) => one.plannedMs).join(', ')}`);
    if (counters.lateMaxMs > 0) facts.push(`at most ${counters.lateMaxMs} ms late`);
    return this.line(this.relative(`schedule ${id}: ${facts.join('; ')}`));
  }

  view(id: string): ScheduleView {
    const view = this.driver.scheduler.schedule('default', id);
    if (view === undefined) throw new Error(`there is no schedule ${id}`);
    return view;
  }
}
