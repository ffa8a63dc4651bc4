/**
 * Which occurrence made a task, for the tasks of schedules that are not final: in columns, so that a task of a schedule costs no
 * object, and a task that was submitted costs nothing. The tasks of a schedule are linked in the order of their numbers.
 */
import { assert } from '../../base/assert.ts';
import { NumberMap } from '../memory/number-map.ts';
import type { Schedule } from './schedule.ts';

const NONE = -1;

/** What is known of one. */
export interface MadeTask {
  /** Number of the schedule. */
  readonly schedule: number;
  readonly version: number;
  readonly plannedMs: number;
  /** Code of the kind. */
  readonly kind: number;
}

/** All of them. */
export class MadeTasks {
  readonly #slots = new NumberMap();
  readonly #number: number[] = [];
  readonly #schedule: number[] = [];
  readonly #version: number[] = [];
  readonly #plannedMs: number[] = [];
  readonly #kind: number[] = [];
  readonly #next: number[] = [];
  readonly #previous: number[] = [];
  readonly #idle: number[] = [];

  /** The occurrence that made task `number`, which is one of these. */
  of(number: number): MadeTask {
    const slot = this.#slotOf(number);
    return {
      schedule: this.#schedule[slot] as number,
      version: this.#version[slot] as number,
      plannedMs: this.#plannedMs[slot] as number,
      kind: this.#kind[slot] as number,
    };
  }

  /** The number of the schedule that made task `number`, which is one of these. */
  scheduleOf(number: number): number {
    return this.#schedule[this.#slotOf(number)] as number;
  }

  /** Takes a task in, without linking it. */
  add(number: number, made: MadeTask): void {
    assert(this.#slots.get(number) === NONE, 'a task is made by one occurrence');
    const slot = this.#idle.pop() ?? this.#number.length;
    this.#number[slot] = number;
    this.#schedule[slot] = made.schedule;
    this.#version[slot] = made.version;
    this.#plannedMs[slot] = made.plannedMs;
    this.#kind[slot] = made.kind;
    this.#next[slot] = NONE;
    this.#previous[slot] = NONE;
    this.#slots.set(number, slot);
  }

  /** Puts a task behind the others of `schedule`, all of which have smaller numbers. */
  link(schedule: Schedule, number: number): void {
    const slot = this.#slotOf(number);
    const { tail } = schedule;
    assert(tail === NONE || (this.#number[tail] as number) < number, 'tasks are linked in the order of their numbers');
    this.#previous[slot] = tail;
    if (tail === NONE) schedule.head = slot;
    else this.#next[tail] = slot;
    schedule.tail = slot;
    schedule.unfinished += 1;
  }

  /** Takes a task out, which was linked to `schedule`. */
  remove(schedule: Schedule, number: number): void {
    const slot = this.#slotOf(number);
    assert(schedule.unfinished > 0 && this.#schedule[slot] === schedule.number, 'a task leaves its own schedule');
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (previous === NONE) schedule.head = next;
    else this.#next[previous] = next;
    if (next === NONE) schedule.tail = previous;
    else this.#previous[next] = previous;
    schedule.unfinished -= 1;
    this.#slots.delete(number);
    this.#idle.push(slot);
  }

  /** The numbers of the unfinished tasks of `schedule` after `number`, ascending. The one that was given last may be removed. */
  *after(schedule: Schedule, number: number): Generator<number> {
    let slot = schedule.head;
    while (slot !== NONE) {
      const next = this.#next[slot] as number;
      if ((this.#number[slot] as number) > number) yield this.#number[slot] as number;
      slot = next;
    }
  }

  /** The largest number among the unfinished tasks of `schedule`; 0 when there is none. */
  last(schedule: Schedule): number {
    return schedule.tail === NONE ? 0 : (this.#number[schedule.tail] as number);
  }

  #slotOf(number: number): number {
    const slot = this.#slots.get(number);
    assert(slot !== NONE, 'a task of a schedule is known as one');
    return slot;
  }
}
