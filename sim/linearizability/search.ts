/**
 * The search for one order, over the operations of one object: deepest first over configurations, each visited once (Wing and
 * Gong 1993; Lowe 2017, "Testing for linearizability", whose just-in-time order and table of visited configurations these are).
 *
 * Operations that returned are numbered by their returns. A configuration is: all of them below `position` have taken effect and
 * returned; so have those in `ahead`, which have not returned yet; the object is in `state`; and of the operations that never
 * returned, `used` have taken effect. It goes on by letting one more open operation take effect, and `position` moves past each
 * operation that has. Three things keep configurations few, and none of them changes the verdict:
 *
 * - An open observation (a read, say) whose answer fits takes effect at once. Wherever else it would stand, it can be moved here.
 * - Operations that never returned and have equal inputs are interchangeable, so they are used in the order of their calls, and
 *   only their number counts.
 * - They need not take effect at all, so they do only right before an operation that could not be answered so, or would leave
 *   another state, without them. And a configuration that used as many or more of each than a visited one that is otherwise
 *   equal cannot get further than that did; so among those of a position the ones that used fewest are visited first.
 *
 * The greatest `position` that any configuration reached is where a wrong history goes wrong: what returned before has an order
 * that agrees with all answers, those of operations that were open then among them, and with that return there is none.
 */
import { assert } from '../../src/base/assert.ts';
import { Heap } from '../../src/base/heap.ts';
import type { Model } from './model.ts';
import { NEVER, type Operation } from './operation.ts';

/** Why there is no order. */
export interface Refutation<Input, Output> {
  /** The first operation, by returns, that fits nowhere. What returned before it does fit, and `order` is an order of it. */
  readonly operation: Operation<Input, Output>;
  /** An order of the operations that took effect until then, open ones among them. */
  readonly order: readonly Operation<Input, Output>[];
  /** In words: the states that the object may be in before `operation`; in none of them it answers so. At most `STATES_MAX`. */
  readonly states: readonly string[];
}

/** States that a refutation names at most. */
export const STATES_MAX = 8;

/** Places in the lists of open operations, over all returns; over that the history counts as undecided. */
const OPEN_MAX = 16_777_216;

/** The operations that took effect, newest first. Configurations share their tails. */
interface Taken<Input, Output> {
  readonly operation: Operation<Input, Output>;
  readonly before: Taken<Input, Output> | undefined;
}

/** See the head of this file. */
interface Configuration<Input, Output> {
  readonly position: number;
  /** Place in `#states`. */
  readonly state: number;
  /** Ascending; each is over `position`. */
  readonly ahead: readonly number[];
  /** By class of those that never returned. */
  readonly used: readonly number[];
  /** The sum of `used`. */
  readonly usedCount: number;
  /** Counts configurations as they are made. */
  readonly sequence: number;
  /** It was visited, and what comes of it without those that never returned; now they get their turn. */
  readonly isAgain: boolean;
  readonly taken: Taken<Input, Output> | undefined;
}

/** What operations that never returned make of a configuration. */
type Reached<Input, Output> = Pick<Configuration<Input, Output>, 'state' | 'used' | 'taken'>;

/** Operations that never returned and have equal inputs. */
interface UnheardClass<Input, Output> {
  /** In the order of their calls. */
  readonly operations: Operation<Input, Output>[];
  /** For each the `position` from which on it is open. Ascending. */
  readonly openFrom: number[];
}

/** One search. Run it once. */
export class Search<State, Input, Output> {
  readonly #model: Model<State, Input, Output>;
  readonly #configurationsMax: number;
  /** Those that returned, in the order of their returns. */
  readonly #returned: readonly Operation<Input, Output>[];
  /** For each `position` the places in `#returned` that are open there, in the order of their returns. */
  readonly #open: readonly (readonly number[])[] | undefined;
  readonly #isObservation: readonly boolean[];
  readonly #unheard: readonly UnheardClass<Input, Output>[];
  readonly #states: State[] = [];
  readonly #stateOf: Map<string, number> = new Map();
  /** What was visited: by position, state and `ahead`, the `used` of which none is over another in every place. */
  readonly #visited: Map<string, (readonly number[])[]> = new Map();
  /** What is to be visited. */
  readonly #waiting: Heap<Configuration<Input, Output>> = new Heap(compareConfigurations);
  #made = 0;
  #work = 0;
  #deepest: Configuration<Input, Output> | undefined;
  #deepestStates: Set<number> = new Set();

  /** @param operations All operations on one object, in the order of their calls. */
  constructor(
    model: Model<State, Input, Output>,
    operations: readonly Operation<Input, Output>[],
    configurationsMax: number,
  ) {
    this.#model = model;
    this.#configurationsMax = configurationsMax;
    const returned = operations.filter((operation) => operation.return !== NEVER);
    this.#returned = returned.sort((left, right) => left.return - right.return);
    this.#isObservation = this.#returned.map(
      ({ input, output }) => output !== undefined && model.isObservation(input, output),
    );
    const openFrom = openings(operations, this.#returned);
    this.#open = openLists(this.#returned, openFrom);
    this.#unheard = classesOf(model, operations, openFrom);
  }

  /** Configurations that were tried so far. */
  get configurations(): number {
    return this.#work;
  }

  /** The verdict. */
  run(): 'linearizable' | 'undecided' | Refutation<Input, Output> {
    if (this.#open === undefined) return 'undecided';
    this.#add(
      0,
      this.#intern(this.#model.initial),
      [],
      this.#unheard.map(() => 0),
      undefined,
    );
    for (let one = this.#waiting.pop(); one !== undefined; one = this.#waiting.pop()) {
      if (one.position === this.#returned.length) return 'linearizable';
      if (one.isAgain) this.#addUnheard(one);
      else if (this.#visit(one)) {
        this.#note(one.position, one.state, one);
        if (this.#hasUnheard(one)) this.#wait({ ...one, usedCount: one.usedCount + 1, isAgain: true });
        this.#addOpen(one);
      }
      if (this.#work > this.#configurationsMax) return 'undecided';
    }
    return this.#refutation();
  }

  /** Whether nothing that was visited gets as far as this one. */
  #visit({ position, state, ahead, used }: Configuration<Input, Output>): boolean {
    const key = `${position} ${state} ${ahead.join(' ')}`;
    const visited = this.#visited.get(key);
    this.#work += 1;
    if (visited === undefined) {
      this.#visited.set(key, [used]);
      return true;
    }
    // Long lists are work too.
    this.#work += visited.length >> 5;
    if (visited.some((other) => isWithin(other, used))) return false;
    const kept = visited.filter((other) => !isWithin(used, other));
    kept.push(used);
    this.#visited.set(key, kept);
    return true;
  }

  #note(position: number, state: number, one: Configuration<Input, Output>): void {
    if (this.#deepest === undefined || position > this.#deepest.position) {
      this.#deepest = one;
      this.#deepestStates.clear();
    }
    if (position === this.#deepest.position && this.#deepestStates.size < STATES_MAX) this.#deepestStates.add(state);
  }

  /** One of the open operations that returned takes effect next. */
  #addOpen(one: Configuration<Input, Output>): void {
    const open = this.#openAt(one.position);
    for (let at = open.length - 1; at >= 0; at -= 1) {
      const place = open[at] as number;
      if (one.ahead.includes(place)) continue;
      const state = this.#step(one.state, this.#operation(place));
      if (state === undefined) continue;
      const taken = { operation: this.#operation(place), before: one.taken };
      this.#add(one.position, state, [...one.ahead, place], one.used, taken);
    }
  }

  /** Those that never returned take effect, as many as needed, and then an open operation that needs them. */
  #addUnheard(one: Configuration<Input, Output>): void {
    const open = this.#openAt(one.position).filter((place) => !one.ahead.includes(place));
    for (const { state, used, taken } of this.#reached(one)) {
      this.#note(one.position, state, one);
      for (const place of open) {
        const operation = this.#operation(place);
        const next = this.#step(state, operation);
        if (next === undefined || next === this.#step(one.state, operation)) continue;
        this.#add(one.position, next, [...one.ahead, place], used, { operation, before: taken });
      }
    }
  }

  #hasUnheard({ position, used }: Configuration<Input, Output>): boolean {
    return this.#unheard.some(({ openFrom }, at) => (openFrom[used[at] as number] ?? NEVER) <= position);
  }

  /** What can be reached by operations that never returned alone; each state with those sets of them that contain no other. */
  #reached(one: Configuration<Input, Output>): Reached<Input, Output>[] {
    const reached: Reached<Input, Output>[] = [];
    const setsOf = new Map<number, (readonly number[])[]>([[one.state, [one.used]]]);
    let from: Reached<Input, Output> | undefined = one;
    for (let at = 0; from !== undefined && this.#work <= this.#configurationsMax; at += 1) {
      for (const [place, { operations, openFrom }] of this.#unheard.entries()) {
        const usedOfClass = from.used[place] as number;
        const operation = operations[usedOfClass];
        if (operation === undefined || (openFrom[usedOfClass] as number) > one.position) continue;
        const state = this.#step(from.state, operation);
        if (state === undefined) continue;
        const used = [...from.used];
        used[place] = usedOfClass + 1;
        const sets = setsOf.get(state) ?? [];
        if (sets.some((other) => isWithin(other, used))) continue;
        this.#work += 1;
        setsOf.set(state, [...sets, used]);
        reached.push({ state, used, taken: { operation, before: from.taken } });
      }
      from = reached[at];
    }
    return reached;
  }

  /** Lets observations take effect, moves on past what has taken effect, and has what comes of it wait. Owns `ahead`. */
  #add(
    from: number,
    state: number,
    ahead: number[],
    used: readonly number[],
    before: Taken<Input, Output> | undefined,
  ): void {
    let position = from;
    let taken = before;
    for (let moved = true; moved && position < this.#returned.length;) {
      for (const place of this.#openAt(position)) {
        if (!this.#isObservation[place] || ahead.includes(place)) continue;
        const operation = this.#operation(place);
        if (this.#step(state, operation) !== state) continue;
        ahead.push(place);
        taken = { operation, before: taken };
      }
      ahead.sort((left, right) => left - right);
      moved = ahead[0] === position;
      while (ahead[0] === position) {
        ahead.shift();
        position += 1;
      }
    }
    assert(ahead.length === 0 || (ahead[0] as number) > position, 'what is ahead has not returned');
    const usedCount = used.reduce((sum, count) => sum + count, 0);
    this.#wait({ position, state, ahead, used, usedCount, sequence: 0, isAgain: false, taken });
  }

  #wait(one: Configuration<Input, Output>): void {
    this.#made += 1;
    this.#waiting.push({ ...one, sequence: this.#made });
  }

  #step(state: number, { input, output }: Operation<Input, Output>): number | undefined {
    const next = this.#model.step(this.#states[state] as State, input, output);
    return next === undefined ? undefined : this.#intern(next);
  }

  #intern(state: State): number {
    const key = this.#model.stateKey(state);
    const known = this.#stateOf.get(key);
    if (known !== undefined) return known;
    this.#stateOf.set(key, this.#states.length);
    return this.#states.push(state) - 1;
  }

  #operation(place: number): Operation<Input, Output> {
    return this.#returned[place] as Operation<Input, Output>;
  }

  #openAt(position: number): readonly number[] {
    return this.#open?.[position] ?? [];
  }

  #refutation(): Refutation<Input, Output> {
    const deepest = this.#deepest;
    assert(deepest !== undefined, 'a search without an order has looked somewhere');
    const order: Operation<Input, Output>[] = [];
    for (let at = deepest.taken; at !== undefined; at = at.before) order.push(at.operation);
    const states = [...this.#deepestStates].map((state) => this.#model.describeState(this.#states[state] as State));
    return { operation: this.#operation(deepest.position), order: order.reverse(), states: states.sort() };
  }
}

/** For each operation, how many returned before it was called: the `position` from which on it is open. */
function openings<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  returned: readonly Operation<Input, Output>[],
): Map<Operation<Input, Output>, number> {
  const openFrom = new Map<Operation<Input, Output>, number>();
  let before = 0;
  for (const operation of operations) {
    while (before < returned.length && (returned[before]?.return ?? NEVER) < operation.call) before += 1;
    openFrom.set(operation, before);
  }
  return openFrom;
}

/** For each position the operations that are open; undefined where that would take too much memory. */
function openLists<Input, Output>(
  returned: readonly Operation<Input, Output>[],
  openFrom: ReadonlyMap<Operation<Input, Output>, number>,
): (readonly number[])[] | undefined {
  const starts = returned.map((operation) => openFrom.get(operation) ?? 0);
  if (starts.reduce((sum, start, place) => sum + place - start + 1, 0) > OPEN_MAX) return undefined;
  const lists = returned.map((): number[] => []);
  for (const [place, start] of starts.entries()) {
    for (let position = start; position <= place; position += 1) lists[position]?.push(place);
  }
  return lists;
}

function classesOf<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  openFrom: ReadonlyMap<Operation<Input, Output>, number>,
): UnheardClass<Input, Output>[] {
  const classes = new Map<string, UnheardClass<Input, Output>>();
  for (const operation of operations) {
    if (operation.return !== NEVER) continue;
    const key = model.inputKey(operation.input);
    const one = classes.get(key) ?? { operations: [], openFrom: [] };
    one.operations.push(operation);
    one.openFrom.push(openFrom.get(operation) ?? 0);
    classes.set(key, one);
  }
  return [...classes.values()];
}

/** Deepest first; then those that used fewest; then the newest. */
function compareConfigurations<Input, Output>(
  left: Configuration<Input, Output>,
  right: Configuration<Input, Output>,
): number {
  return right.position - left.position || left.usedCount - right.usedCount || right.sequence - left.sequence;
}

/** Whether `left` is at most `right` in every place. */
function isWithin(left: readonly number[], right: readonly number[]): boolean {
  return left === right || left.every((count, at) => count <= (right[at] as number));
}
