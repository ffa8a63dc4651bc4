/**
 * Workers that cannot be told apart by what they can run, as one: equal namespace, types and labels. A class knows which of
 * its groups goes first and which of its workers has the most room, so that a placement costs a logarithm of either.
 *
 * Labels that no waiting or running task asks for do not tell workers apart, so a label like `host` does not make a class of
 * every worker. Classes are rebuilt when a state is loaded, and no outcome depends on how workers fall into them.
 */
import { assert } from '../base/assert.ts';
import type { Labels } from './command.ts';
import { type Group, NO_KEY } from './groups.ts';
import type { Worker } from './workers.ts';

/**
 * A group in the order of a class. `key` may lag behind the group's own when that got worse, never when it got better:
 * so a group that runs empty and full again under load costs nothing, and the first of the order is checked when it is asked for.
 */
export interface GroupLink {
  readonly group: Group;
  readonly workerClass: WorkerClass;
  /** Invariant: `key <= group.headKey` while `position >= 0`. */
  key: number;
  /** Place in the heap of the class; -1 outside. */
  position: number;
}

/** One class. */
export class WorkerClass {
  readonly name: string;
  readonly namespace: number;
  readonly types: readonly number[];
  readonly labels: Labels;
  /** All workers of the class, attached or not; the class goes when there is none. */
  readonly all: Set<Worker> = new Set();
  /** Workers that may take a task now and run no suspect. */
  readonly suspectRoom: Set<Worker> = new Set();
  readonly normal: LinkHeap = new LinkHeap();
  readonly suspects: LinkHeap = new LinkHeap();
  readonly #open: Worker[] = [];

  constructor(name: string, namespace: number, types: readonly number[], labels: Labels) {
    this.name = name;
    this.namespace = namespace;
    this.types = types;
    this.labels = labels;
  }

  /** True when a worker of the class may take a task now. */
  get isOpen(): boolean {
    return this.#open.length > 0;
  }

  /** True when a worker of the class takes tasks, though perhaps it has no room now. */
  get isServed(): boolean {
    for (const worker of this.all) if (worker.takesTasks) return true;
    return false;
  }

  /** The group whose head goes first among those that can be placed in this class now; undefined when there is none. */
  first(): Group | undefined {
    if (this.#open.length === 0) return undefined;
    const normal = this.normal.first();
    if (this.suspectRoom.size === 0 || this.suspects.size === 0) return normal?.group;
    const suspect = this.suspects.first();
    if (suspect === undefined) return normal?.group;
    return normal === undefined || suspect.key < normal.key ? suspect.group : normal.group;
  }

  /** The worker for the next task of `group`, which `first` named. */
  workerFor(group: Group): Worker {
    if (!group.suspect) return this.#open[0] as Worker;
    let best: Worker | undefined;
    for (const worker of this.suspectRoom) {
      if (best === undefined || goesBefore(worker, best)) best = worker;
    }
    assert(best !== undefined, 'a class names a group of suspects only when it has room for one');
    return best;
  }

  /** Brings `worker`'s place in line with its room, after anything about it changed. */
  update(worker: Worker): void {
    const takes = worker.freeSlots > 0 && worker.takesTasks;
    if (takes && worker.suspects === 0) this.suspectRoom.add(worker);
    else this.suspectRoom.delete(worker);
    if (!takes) {
      if (worker.position >= 0) this.#close(worker);
      return;
    }
    if (worker.position < 0) {
      worker.position = this.#open.length;
      this.#open.push(worker);
      this.#up(worker.position);
      return;
    }
    this.#up(worker.position);
    this.#down(worker.position);
  }

  /** Takes a worker out of the class. */
  withdraw(worker: Worker): void {
    if (worker.position >= 0) this.#close(worker);
    this.suspectRoom.delete(worker);
    this.all.delete(worker);
  }

  #close(worker: Worker): void {
    const at = worker.position;
    const last = this.#open.pop() as Worker;
    worker.position = -1;
    if (last === worker) return;
    this.#open[at] = last;
    last.position = at;
    this.#up(at);
    this.#down(last.position);
  }

  #up(from: number): void {
    const open = this.#open;
    let at = from;
    const worker = open[at] as Worker;
    while (at > 0) {
      const parent = open[(at - 1) >> 1] as Worker;
      if (!goesBefore(worker, parent)) break;
      open[at] = parent;
      parent.position = at;
      at = (at - 1) >> 1;
    }
    open[at] = worker;
    worker.position = at;
  }

  #down(from: number): void {
    const open = this.#open;
    let at = from;
    const worker = open[at] as Worker;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= open.length) break;
      if (child + 1 < open.length && goesBefore(open[child + 1] as Worker, open[child] as Worker)) child += 1;
      const below = open[child] as Worker;
      if (!goesBefore(below, worker)) break;
      open[at] = below;
      below.position = at;
      at = child;
    }
    open[at] = worker;
    worker.position = at;
  }
}

/** True when `left` gets a task before `right`: the larger share of free slots, then the older registration. */
export function goesBefore(left: Worker, right: Worker): boolean {
  const difference = left.freeSlots * right.slots - right.freeSlots * left.slots;
  return difference === 0 ? left.registration < right.registration : difference > 0;
}

/** True when `labels` has every pair of `required`. */
export function labelsInclude(labels: Labels, required: Labels): boolean {
  for (const [name, value] of required) {
    if (!labels.some(([otherName, otherValue]) => otherName === name && otherValue === value)) return false;
  }
  return true;
}

/** The groups of a class in order, with keys that are corrected when they come to the top; see `GroupLink`. */
export class LinkHeap {
  readonly #links: GroupLink[] = [];

  get size(): number {
    return this.#links.length;
  }

  /** The link of the group that goes first; undefined when all groups are empty. */
  first(): GroupLink | undefined {
    for (;;) {
      const link = this.#links[0];
      if (link === undefined) return undefined;
      const key = link.group.headKey;
      if (key === link.key) return link;
      assert(key > link.key, 'a group that got better was moved at once');
      if (key === NO_KEY) {
        this.remove(link);
      } else {
        link.key = key;
        this.#down(0);
      }
    }
  }

  /** Makes sure that the group is in, at least as far ahead as it belongs. Call when its head got better. */
  improve(link: GroupLink): void {
    const key = link.group.headKey;
    assert(key !== NO_KEY, 'an empty group has no place');
    if (link.position < 0) {
      link.key = key;
      link.position = this.#links.length;
      this.#links.push(link);
      this.#up(link.position);
    } else if (key < link.key) {
      link.key = key;
      this.#up(link.position);
    }
  }

  /** Takes a group out. */
  remove(link: GroupLink): void {
    const at = link.position;
    if (at < 0) return;
    const last = this.#links.pop() as GroupLink;
    link.position = -1;
    if (last === link) return;
    this.#links[at] = last;
    last.position = at;
    this.#up(at);
    this.#down(last.position);
  }

  #up(from: number): void {
    const links = this.#links;
    let at = from;
    const link = links[at] as GroupLink;
    while (at > 0) {
      const parent = links[(at - 1) >> 1] as GroupLink;
      if (parent.key <= link.key) break;
      links[at] = parent;
      parent.position = at;
      at = (at - 1) >> 1;
    }
    links[at] = link;
    link.position = at;
  }

  #down(from: number): void {
    const links = this.#links;
    let at = from;
    const link = links[at] as GroupLink;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= links.length) break;
      if (child + 1 < links.length && (links[child + 1] as GroupLink).key < (links[child] as GroupLink).key) child += 1;
      const below = links[child] as GroupLink;
      if (link.key <= below.key) break;
      links[at] = below;
      below.position = at;
      at = child;
    }
    links[at] = link;
    link.position = at;
  }
}
