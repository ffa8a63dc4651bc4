/** Histories of which it is known whether they are linearizable, because they are made so. */
import { below, type Random, SeededRandom } from '../../../src/base/random.ts';
import { NEVER, type Operation } from '../../../sim/linearizability/operation.ts';
import type { RegisterInput, RegisterOutput } from '../../../sim/linearizability/register.ts';

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

export interface Shape {
  readonly seed: number;
  readonly processes: number;
  readonly operations: number;
  readonly keys: number;
  /** Values 0 to below this; 0 gives each write a value of its own. */
  readonly values: number;
  /** Of 100 operations, those of which nobody hears the end. */
  readonly unheardPercent: number;
}

/** What one process has under way. */
interface Running {
  readonly operation: { process: string; key: string; input: RegisterInput; call: number };
  /** Set once it took effect. */
  output?: RegisterOutput;
}

/**
 * A run against registers that are atomic: between its call and its return, each operation takes effect once. Those of which
 * nobody hears the end may take effect later, or never. What comes of it is linearizable, by the order in which it was done.
 */
export function atomicHistory({
  seed,
  processes,
  operations,
  keys,
  values,
  unheardPercent,
}: Shape): RegisterOperation[] {
  const random = new SeededRandom(seed);
  const registers = new Map<string, string>();
  const history: RegisterOperation[] = [];
  const running = new Map<number, Running>();
  const late: Running[] = [];
  let fresh = 0;
  const value = (): string => String(values === 0 ? (fresh += 1) : below(random, values));
  let instant = 0;
  let names = processes;
  const nameOf = Array.from({ length: processes }, (_, at) => at);
  for (let called = 0; called < operations || running.size > 0; instant += 1) {
    const process = below(random, processes);
    const one = running.get(process);
    if (one === undefined) {
      if (called >= operations) continue;
      called += 1;
      const key = keys === 1 ? '' : `k${below(random, keys)}`;
      const input = drawInput(random, value, registers.get(key) ?? 'null');
      running.set(process, { operation: { process: String(nameOf[process]), key, input, call: instant } });
    } else if (one.output === undefined) {
      if (below(random, 100) < unheardPercent) {
        // The client gives up and is another one from now on; what it asked for may still be under way.
        history.push({ ...one.operation, output: undefined, return: NEVER });
        if (below(random, 2) === 0) late.push(one);
        running.delete(process);
        nameOf[process] = names;
        names += 1;
      } else takeEffect(one, registers);
    } else {
      history.push({ ...one.operation, output: one.output, return: instant });
      running.delete(process);
    }
    if (below(random, 8) === 0) {
      const [old] = late.splice(below(random, Math.max(1, late.length)), 1);
      if (old !== undefined) takeEffect(old, registers);
    }
  }
  return history.sort((left, right) => left.call - right.call);
}

/** `current` is looked at so that many a `cas` finds what it asks for. */
function drawInput(random: Random, value: () => string, current: string): RegisterInput {
  switch (below(random, 4)) {
    case 0:
      return { f: 'write', value: value() };
    case 1:
      return { f: 'cas', from: below(random, 3) === 0 ? value() : current, to: value() };
    default:
      return { f: 'read' };
  }
}

function takeEffect(one: Running, registers: Map<string, string>): void {
  const { key, input } = one.operation;
  const current = registers.get(key) ?? 'null';
  switch (input.f) {
    case 'read':
      one.output = { f: 'read', value: current };
      return;
    case 'write':
      registers.set(key, input.value);
      one.output = { f: 'write' };
      return;
    case 'cas':
      one.output = { f: 'cas', isSet: current === input.from };
      if (current === input.from) registers.set(key, input.to);
  }
}

/** What was done to a history whose every write has a value of its own; undefined where there is no place for it. */
export type Damage = (history: readonly RegisterOperation[], random: Random) => RegisterOperation[] | undefined;

type Write = RegisterOperation & { readonly written: string };

/** The operations that certainly wrote, with what they wrote. */
function writesOf(history: readonly RegisterOperation[]): Write[] {
  return history.flatMap((one) => {
    const { input, output } = one;
    if (input.f === 'write' && output !== undefined) return [{ ...one, written: input.value }];
    return input.f === 'cas' && output?.f === 'cas' && output.isSet ? [{ ...one, written: input.to }] : [];
  });
}

/** One read returns what `choose` says. */
function misread(
  history: readonly RegisterOperation[],
  random: Random,
  choose: (read: RegisterOperation, writes: readonly Write[]) => string | undefined,
): RegisterOperation[] | undefined {
  const byKey = new Map<string, Write[]>();
  for (const write of writesOf(history)) {
    const ofKey = byKey.get(write.key);
    if (ofKey === undefined) byKey.set(write.key, [write]);
    else ofKey.push(write);
  }
  const candidates = history.flatMap((one, at) => {
    const value = one.output?.f === 'read' ? choose(one, byKey.get(one.key) ?? []) : undefined;
    return value === undefined ? [] : [{ at, value }];
  });
  const picked = candidates[below(random, Math.max(1, candidates.length))];
  if (picked === undefined) return undefined;
  return history.map((one, at) => (at === picked.at ? { ...one, output: { f: 'read', value: picked.value } } : one));
}

/** Each makes a history wrong for a reason that needs no search. */
export const DAMAGES: Readonly<Record<string, Damage>> = {
  'reads a value that nobody wrote': (history, random) => misread(history, random, () => '-1'),

  'reads a value before it is written': (history, random) =>
    misread(history, random, ({ return: end }, writes) => writes.find((write) => write.call > end)?.written),

  'reads a value that was overwritten': (history, random) =>
    misread(history, random, ({ call }, writes) => {
      // Between the write and the read stands another write, whole.
      const before = writes.filter((write) => write.return < call);
      return before.find((write) => before.some((other) => other.call > write.return))?.written;
    }),

  'reads nothing after a write': (history, random) =>
    misread(history, random, ({ call }, writes) => (writes.some((write) => write.return < call) ? 'null' : undefined)),

  'sets twice from one value': (history, random) => {
    // A value that is written once can be replaced by one cas alone.
    const sets = history.flatMap(({ input, output, key }) =>
      input.f === 'cas' && input.from !== 'null' && output?.f === 'cas' && output.isSet ? [{ key, input }] : [],
    );
    const picked = sets[below(random, Math.max(1, sets.length))];
    if (picked === undefined) return undefined;
    const last = Math.max(...history.map((one) => (one.return === NEVER ? one.call : one.return)));
    const again: RegisterOperation = {
      process: 'late',
      key: picked.key,
      input: { ...picked.input, to: 'again' },
      output: { f: 'cas', isSet: true },
      call: last + 1,
      return: last + 2,
    };
    return [...history, again];
  },
};
