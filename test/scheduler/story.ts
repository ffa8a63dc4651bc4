/** A story: commands in their order, what they answered and caused, and what became of the tasks, as text to be read. */
import { expect } from 'vitest';
import type { Command } from '../../src/scheduler/command.ts';
import { describeCommand, describeEffects, describeReply } from '../../src/scheduler/describe.ts';
import type { SchedulerLimits } from '../../src/scheduler/limits.ts';
import { Driver, type KeptOutcome, textOf } from './driver.ts';

export class Story {
  readonly driver: Driver;
  readonly #lines: string[] = [];
  readonly #startMs: number;

  constructor(title: string, limits: Partial<SchedulerLimits> = {}, startMs = 1_000_000_000) {
    this.driver = new Driver(limits);
    this.driver.nowMs = startMs;
    this.#startMs = this.driver.nowMs;
    this.#lines.push(`# ${title}`);
    this.driver.begin();
  }

  /** A paragraph of the story. */
  say(text: string): this {
    this.#lines.push('', text);
    return this;
  }

  /** The time of the story. */
  get at(): string {
    return `${(this.driver.nowMs - this.#startMs) / 1000} s`;
  }

  /** `text` with instants as the times of the story. */
  relative(text: string): string {
    return text.replaceAll(/\b(?:999|100\d)\d{6}\b/g, (instant) => `${(Number(instant) - this.#startMs) / 1000} s`);
  }

  /** One entry that is told by what it does and refuses. */
  quietly(...commands: Command[]): KeptOutcome {
    const outcome = this.driver.apply(...commands);
    for (const [position, reply] of outcome.replies.entries()) {
      const command = commands[position];
      if (reply.type !== 'refused' || command === undefined) continue;
      this.#lines.push(`  [${this.at}] ${this.relative(describeCommand(command))}`, `      → ${describeReply(reply)}`);
    }
    this.#effects(`  [${this.at}]`, outcome);
    return outcome;
  }

  /** One entry. */
  apply(...commands: Command[]): KeptOutcome {
    const outcome = this.driver.apply(...commands);
    const at = this.at;
    for (const [position, command] of commands.entries()) {
      const reply = outcome.replies[position];
      if (command.type !== 'tick') this.#lines.push(`  [${at}] ${describeCommand(command)}`);
      if (command.type !== 'tick' && reply !== undefined) this.#lines.push(`      → ${describeReply(reply)}`);
    }
    this.#effects('     ', outcome);
    return outcome;
  }

  /** Time passes and the leader proposes what is due. */
  pass(ms: number): KeptOutcome {
    const outcome = this.driver.pass(ms);
    this.#lines.push(`  [${this.at}] ${ms / 1000} s have passed`);
    this.#effects('     ', outcome);
    return outcome;
  }

  #effects(before: string, outcome: KeptOutcome): void {
    for (const line of describeEffects({ ...outcome, schedulesWant: false, marked: false }, (number) =>
      this.driver.scheduler.assignment(number),
    )) {
      this.#lines.push(`${before} * ${this.relative(line)}`);
    }
  }

  /** What there is to see of a task. */
  task(number: number): this {
    const view = this.driver.task(number);
    const facts = [`failures ${view.failures}`, `crashes ${view.crashes}`, `deliveries ${view.deliveries}`];
    if (view.reason !== undefined) facts.push(`reason ${view.reason}`);
    if (view.cancelling) facts.push('cancelling');
    if (view.result !== undefined) facts.push(`result "${textOf(view.result.bytes)}"`);
    if (view.error !== undefined) facts.push(`error "${textOf(view.error.bytes)}"`);
    this.#lines.push(`  task ${number}: ${view.state}, ${facts.join(', ')}`);
    return this;
  }

  history(number: number): this {
    const view = this.driver.task(number);
    this.#lines.push(`  history of ${number}:`);
    for (const event of view.history) {
      const reason = event.reason === undefined ? '' : ` (${event.reason})`;
      const at = (event.atMs - this.#startMs) / 1000;
      this.#lines.push(`    ${at} s ${event.type}${reason} by ${event.by}, delivery ${event.attempt}`);
    }
    return this;
  }

  workers(): this {
    for (const worker of this.driver.scheduler.workers('default')) {
      const lingering = worker.lingering === 0 ? '' : `, ${worker.lingering} lingering`;
      const lost = worker.lost ? ', lost' : '';
      this.#lines.push(
        `  worker ${worker.id}: ${worker.state}${lost}, runs ${worker.running} of ${worker.slots}${lingering}`,
      );
    }
    return this;
  }

  line(text: string): this {
    this.#lines.push(`  ${text}`);
    return this;
  }

  async matches(name: string): Promise<void> {
    await expect(`${this.#lines.join('\n')}\n`).toMatchFileSnapshot(`transcripts/${name}.txt`);
  }
}
