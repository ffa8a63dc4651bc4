import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { checkLinearizability } from '../../../sim/linearizability/linearizability.ts';
import type { Model } from '../../../sim/linearizability/model.ts';
import { NEVER, type Operation } from '../../../sim/linearizability/operation.ts';
import { registerModel, type RegisterInput, type RegisterOutput } from '../../../sim/linearizability/register.ts';
import { taskModel, type TaskInput, type TaskOutput } from '../../../sim/linearizability/task.ts';
import { isLinearizable } from './brute-force.ts';
import { atomicHistory, DAMAGES, type RegisterOperation } from './generate.ts';

const SEEDS = Array.from({ length: 120 }, (_, at) => at + 1);

function verdictOf(history: readonly RegisterOperation[]): string {
  return checkLinearizability(registerModel, history).verdict;
}

describe('histories of a known kind', () => {
  test('what an atomic register did is linearizable, for 120 runs with few values', () => {
    for (const seed of SEEDS) {
      const shape = { processes: 2 + (seed % 9), operations: 100, keys: 1 + (seed % 3), values: 5 };
      const history = atomicHistory({ seed, ...shape, unheardPercent: seed % 4 === 0 ? 0 : 12 });
      expect({ seed, verdict: verdictOf(history) }).toEqual({ seed, verdict: 'linearizable' });
    }
  });

  test.each(Object.entries(DAMAGES))('a history that %s is not linearizable, for 30 runs and more', (name, damage) => {
    let tried = 0;
    for (const seed of SEEDS) {
      const shape = { processes: 2 + (seed % 9), operations: 60, keys: 1 + (seed % 3), values: 0 };
      const history = atomicHistory({ seed, ...shape, unheardPercent: seed % 4 === 0 ? 0 : 12 });
      expect({ seed, verdict: verdictOf(history) }).toEqual({ seed, verdict: 'linearizable' });
      const damaged = damage(history, new SeededRandom(seed));
      if (damaged === undefined) continue;
      tried += 1;
      expect({ name, seed, verdict: verdictOf(damaged) }).toEqual({ name, seed, verdict: 'not-linearizable' });
    }
    expect(tried).toBeGreaterThan(30);
  });

  test('five thousand operations of eight clients on one register are judged, and one wrong read among them is found', () => {
    const shape = { processes: 8, operations: 5_000, keys: 1, values: 0, unheardPercent: 1 };
    const history = atomicHistory({ seed: 7, ...shape });
    expect(verdictOf(history)).toBe('linearizable');
    const damaged = DAMAGES['reads a value that was overwritten']?.(history, new SeededRandom(1)) ?? [];
    expect(verdictOf(damaged)).toBe('not-linearizable');
  });
});

/** Operations with instants as they come: calls and returns anywhere, so that anything may happen. */
function operationsOf<Input, Output>(
  step: fc.Arbitrary<{ input: Input; output: Output }>,
): fc.Arbitrary<Operation<Input, Output>[]> {
  const one = fc.record({
    step,
    call: fc.nat(12),
    length: fc.nat(5),
    isHeard: fc.integer({ min: 0, max: 3 }).map((drawn) => drawn > 0),
  });
  return fc.array(one, { maxLength: 6, size: 'max' }).map((drawn) =>
    drawn.map(({ step: { input, output }, call, length, isHeard }, at) => ({
      process: String(at),
      key: '',
      input,
      output: isHeard ? output : undefined,
      call,
      return: isHeard ? call + length : NEVER,
    })),
  );
}

const value = fc.constantFrom('null', '1', '2');
const registerStep = fc.oneof(
  value.map((read): { input: RegisterInput; output: RegisterOutput } => ({
    input: { f: 'read' },
    output: { f: 'read', value: read },
  })),
  value.map((written): { input: RegisterInput; output: RegisterOutput } => ({
    input: { f: 'write', value: written },
    output: { f: 'write' },
  })),
  fc.tuple(value, value, fc.boolean()).map(([from, to, isSet]): { input: RegisterInput; output: RegisterOutput } => ({
    input: { f: 'cas', from, to },
    output: { f: 'cas', isSet },
  })),
);

const shownTask = fc.option(
  fc.record({
    id: fc.constantFrom(undefined, 'a', 'a', 'b'),
    state: fc.constantFrom('pending', 'done', 'cancelled'),
    result: fc.constantFrom(undefined, '1', '2'),
  }),
  { nil: undefined },
);
const taskStep = fc.oneof(
  fc.record({
    input: fc.constant<TaskInput>({ f: 'submit' }),
    output: fc
      .tuple(fc.constantFrom('a', 'a', 'b'), fc.boolean())
      .map(([id, deduplicated]): TaskOutput => ({ f: 'submit', id, deduplicated })),
  }),
  fc.tuple(fc.constantFrom('get', 'cancel'), shownTask).map(([f, task]): { input: TaskInput; output: TaskOutput } => ({
    input: { f },
    output: { f, task },
  })),
  fc.constantFrom('1', '2').map((result): { input: TaskInput; output: TaskOutput } => ({
    input: { f: 'complete', state: 'done', result },
    output: { f: 'complete' },
  })),
);

/** A number whose operations do not commute, so that it matters where those stand that nobody heard of. */
const numberModel: Model<number, 'add' | 'double' | 'read', number> = {
  name: 'number',
  initial: 0,
  step(state, input, output) {
    if (input === 'read') return output === undefined || output === state ? state : undefined;
    return (input === 'add' ? state + 1 : state * 2) % 8;
  },
  isObservation: (input) => input === 'read',
  stateKey: String,
  inputKey: (input) => input,
  describeState: String,
  describe: (input, output) => `${input} -> ${output}`,
};
const numberStep = fc.record({
  input: fc.constantFrom('add' as const, 'double' as const, 'read' as const),
  output: fc.nat(4),
});

describe('on small histories the verdict is that of the definition', () => {
  test.each([
    ['register', registerModel, operationsOf(registerStep)],
    ['task', taskModel, operationsOf(taskStep)],
    ['number', numberModel, operationsOf(numberStep)],
  ] as const)('for a %s', (_, model, histories) => {
    const counts = { true: 0, false: 0 };
    const property = fc.property(histories as fc.Arbitrary<Operation<never, never>[]>, (history) => {
      const expected = isLinearizable(model as never, history);
      counts[`${expected}`] += 1;
      const found = checkLinearizability(model as never, history);
      expect(found.verdict).toBe(expected ? 'linearizable' : 'not-linearizable');
    });
    fc.assert(property, { numRuns: 4_000, seed: 20_240_611 });
    expect(counts.true).toBeGreaterThan(400);
    expect(counts.false).toBeGreaterThan(400);
  });

  test('a refused history is linearizable up to before the return of the operation that is named', () => {
    const property = fc.property(operationsOf(registerStep), (history) => {
      const found = checkLinearizability(registerModel, history);
      if (found.verdict !== 'not-linearizable') return;
      const { operation, order, states } = found.refutation;
      expect(isLinearizable(registerModel, history, operation.return - 1)).toBe(true);
      expect(isLinearizable(registerModel, history, operation.return)).toBe(false);
      const last = order.reduce<string | undefined>(
        (state, one) => (state === undefined ? undefined : registerModel.step(state, one.input, one.output)),
        registerModel.initial,
      );
      expect(states).toContain(registerModel.describeState(last ?? ''));
    });
    fc.assert(property, { numRuns: 1_000, seed: 20_240_612 });
  });
});

describe('bounds', () => {
  test('a search that comes to its bound is undecided, and a wrong object elsewhere still counts', () => {
    const shape = { seed: 3, processes: 8, operations: 60, keys: 1, values: 0, unheardPercent: 5 };
    const history = atomicHistory(shape);
    expect(checkLinearizability(registerModel, history, { configurationsMax: 2 })).toMatchObject({
      verdict: 'undecided',
      key: '',
    });
    const wrong: RegisterOperation = {
      process: 'x',
      key: 'other',
      input: { f: 'read' },
      output: { f: 'read', value: '9' },
      call: 0,
      return: 1,
    };
    expect(checkLinearizability(registerModel, [...history, wrong], { configurationsMax: 2 })).toMatchObject({
      verdict: 'not-linearizable',
      refutation: { operation: { key: 'other' } },
    });
  });

  test('many operations that nobody heard of do not blow the search up', () => {
    const unheard = Array.from({ length: 200 }, (_, at): RegisterOperation => ({
      process: `w${at}`,
      key: '',
      input: at % 2 === 0 ? { f: 'write', value: String(at) } : { f: 'cas', from: String(at - 1), to: String(at) },
      output: undefined,
      call: at,
      return: NEVER,
    }));
    const read = (value: string, call: number): RegisterOperation => ({
      process: 'r',
      key: '',
      input: { f: 'read' },
      output: { f: 'read', value },
      call,
      return: call + 1,
    });
    const reads = ['1', '4', '5', '99', '6', '7', '150'].map((one, at) => read(one, 300 + 2 * at));
    expect(verdictOf([...unheard, ...reads])).toBe('linearizable');
    expect(verdictOf([...unheard, ...reads, read('5', 400)])).toBe('not-linearizable');
  });
});
