/** Any command about schedules. */
import fc from 'fast-check';
import type { Blob, Command, Overlap, TaskTemplate } from '../../../src/scheduler/command.ts';

/** What commands are made of that have nothing to do with schedules. */
export interface Parts {
  readonly name: fc.Arbitrary<string>;
  readonly count: fc.Arbitrary<number>;
  readonly blob: fc.Arbitrary<Blob>;
  readonly template: fc.Arbitrary<TaskTemplate>;
}

const overlap = fc.constantFrom<Overlap[]>('skip', 'bufferOne', 'bufferAll', 'cancelOther', 'allow');

export function scheduleCommand({ name, count, blob, template }: Parts): fc.Arbitrary<Command> {
  const of = { namespace: name, schedule: name };
  const expectedVersion = fc.integer({ min: -1, max: 1_000_000 });
  const task = fc
    .tuple(fc.record({ template, payload: blob }), fc.record({ headers: blob }, { requiredKeys: [] }))
    .map(([fixed, some]) => ({ ...fixed, ...some }));
  const policy = fc.record({
    overlap,
    catchUp: fc.constantFrom('latest' as const, 'all' as const, 'none' as const),
    catchUpWindowMs: count,
    maxRuns: count,
    pauseOnFailure: count,
  });
  return fc.oneof(
    fc.record({
      type: fc.constant('putSchedule' as const),
      ...of,
      expectedVersion,
      calendar: blob.map(({ bytes }) => bytes),
      task,
      policy,
      paused: fc.boolean(),
    }),
    fc.record({ type: fc.constant('deleteSchedule' as const), ...of, expectedVersion }),
    fc.record({ type: fc.constantFrom('pauseSchedule' as const, 'resumeSchedule' as const), ...of, note: blob }),
    fc
      .tuple(
        fc.record({ type: fc.constant('triggerSchedule' as const), ...of, request: name }),
        fc.record({ overlap }, { requiredKeys: [] }),
      )
      .map(([fixed, some]) => ({ ...fixed, ...some })),
    fc
      .tuple(
        fc.record({
          type: fc.constant('backfillSchedule' as const),
          ...of,
          version: count,
          request: name,
          plannedMs: fc.array(count, { maxLength: 4 }),
        }),
        fc.record({ overlap }, { requiredKeys: [] }),
      )
      .map(([fixed, some]) => ({ ...fixed, ...some })),
    fc.record({
      type: fc.constant('advanceSchedule' as const),
      number: count,
      version: count,
      fromMs: count,
      occurrences: fc.array(fc.record({ plannedMs: count, fireAtMs: count }), { maxLength: 4 }),
      throughMs: count,
      exhausted: fc.boolean(),
    }),
  );
}
