/**
 * The line of ready tasks and those who take from it: all groups, all classes of workers, and which class can run which group.
 * Everything here is found again from rows, templates, workers and names when a state is loaded.
 */
import { assert } from '../base/assert.ts';
import { Group, groupName, type GroupTraits } from './groups.ts';
import type { Queue } from './queues.ts';
import type { Rows } from './rows.ts';
import { type GroupLink, labelsInclude, WorkerClass } from './worker-classes.ts';
import type { Worker } from './workers.ts';

/** The labels that some task ever required: part of the state, so that every peer tells the same workers apart. */
export interface RequiredLabels {
  has(label: string): boolean;
  /** Adds a label that it has not. */
  add(label: string): void;
}

/** All groups and classes. */
export class Line {
  readonly #rows: Rows;
  /** Only these tell workers apart. */
  readonly #requiredLabels: RequiredLabels;
  readonly #groups: Map<string, Group> = new Map();
  readonly #classes: Map<string, WorkerClass> = new Map();

  constructor(rows: Rows, requiredLabels: RequiredLabels) {
    this.#rows = rows;
    this.#requiredLabels = requiredLabels;
  }

  /** All classes, in an order that must not be seen; how many there are is the same on all peers. */
  get classes(): Iterable<WorkerClass> {
    return this.#classes.values();
  }

  /** The group with these traits, one reference more. */
  acquire(traits: GroupTraits, queue: Queue): Group {
    const name = groupName(traits);
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new Group(this.#rows, traits);
      // Before the group is known: the classes that this makes are linked to it below, with all others.
      this.#learnLabels(group);
      this.#groups.set(name, group);
      queue.groups.push(group);
      for (const workerClass of this.#classes.values()) linkIfMatching(group, workerClass);
    }
    group.references += 1;
    return group;
  }

  /** One reference less; with the last the group goes. */
  release(group: Group, queue: Queue): void {
    assert(group.references > 0, 'a group is released as often as it was acquired');
    group.references -= 1;
    if (group.references > 0) return;
    assert(group.size === 0, 'a group that nobody uses is empty');
    for (const link of group.links) heapOf(link).remove(link);
    this.#groups.delete(groupName(group));
    queue.groups.splice(queue.groups.indexOf(group), 1);
  }

  /** Tells the classes that the head of `group` got better, by a row that was added. */
  improved(group: Group): void {
    for (const link of group.links) heapOf(link).improve(link);
  }

  /** Puts a worker into the class of its kind, before it is updated. */
  join(worker: Worker): void {
    assert(worker.workerClass === undefined, 'a worker is in one class');
    const labels = worker.labels.filter(([label]) => this.#requiredLabels.has(label));
    const name = `${worker.namespace} ${worker.types.join(',')} ${labels.map((pair) => pair.join('=')).join(',')}`;
    let workerClass = this.#classes.get(name);
    if (workerClass === undefined) {
      workerClass = new WorkerClass(name, worker.namespace, worker.types, labels);
      this.#classes.set(name, workerClass);
      for (const group of this.#groups.values()) linkIfMatching(group, workerClass);
    }
    workerClass.all.add(worker);
    worker.workerClass = workerClass;
    workerClass.update(worker);
  }

  /** Takes a worker out of its class. */
  leave(worker: Worker): void {
    const workerClass = worker.workerClass;
    assert(workerClass !== undefined, 'a worker that leaves is in a class');
    workerClass.withdraw(worker);
    worker.workerClass = undefined;
    if (workerClass.all.size > 0) return;
    this.#classes.delete(workerClass.name);
    for (const group of this.#groups.values()) {
      const at = group.links.findIndex((link) => link.workerClass === workerClass);
      if (at >= 0) group.links.splice(at, 1);
    }
  }

  /** A group that requires a label nobody asked for before splits the classes by it. */
  #learnLabels(group: Group): void {
    let learned = false;
    for (const [label] of group.requires) {
      if (this.#requiredLabels.has(label)) continue;
      this.#requiredLabels.add(label);
      learned = true;
    }
    if (!learned) return;
    const workers: Worker[] = [];
    for (const workerClass of this.#classes.values()) workers.push(...workerClass.all);
    for (const worker of workers) this.leave(worker);
    for (const worker of workers) this.join(worker);
  }
}

function linkIfMatching(group: Group, workerClass: WorkerClass): void {
  if (group.namespace !== workerClass.namespace || !workerClass.types.includes(group.type)) return;
  if (!labelsInclude(workerClass.labels, group.requires)) return;
  const link: GroupLink = { group, workerClass, key: 0, position: -1 };
  group.links.push(link);
  if (group.size > 0) heapOf(link).improve(link);
}

function heapOf(link: GroupLink): WorkerClass['normal'] {
  return link.group.suspect ? link.workerClass.suspects : link.workerClass.normal;
}
