/** The schedules of a run: ways of naming instants, policies, and what is done to each while it fires. */
import type { ScheduleSpec } from '../../src/index.ts';
import type { Life } from './collected.ts';
import { type Cycle, everyMs, secondsOfMinute } from './cycle.ts';

/** How tasks of schedules are called. */
export const OCCURRENCE_TYPE = 'chaos.occurrence';

/** What the handler of such a task gets. */
export interface OccurrencePayload {
  readonly schedule: string;
  /** How long an attempt works: one of these, by its fencing token. */
  readonly worksMs: readonly number[];
}

/** When a schedule fires, as it is put and by arithmetic of our own. */
export interface When {
  readonly fields: Omit<ScheduleSpec, 'id' | 'task'>;
  readonly cycle: Cycle;
}

/** What is done to a schedule besides putting it. */
export type Treatment = 'change' | 'pause' | 'delete' | 'trigger';

/** A schedule of the run. */
export interface Kind {
  readonly id: string;
  /** The first is put first; where it is changed, one after the other. */
  readonly whens: readonly [When, ...When[]];
  readonly overlap: Life['overlap'];
  readonly catchUp: Life['catchUp'];
  readonly worksMs: readonly number[];
  readonly jitterMs: number;
  /** 0: no bound. */
  readonly maxRuns: number;
  readonly treatment: Treatment | undefined;
}

const SECOND: When = { fields: { every: '1s' }, cycle: everyMs(1_000) };
const TWO_SECONDS: When = { fields: { every: '2s' }, cycle: everyMs(2_000) };
/** Every second, named in other words: at a change no second may be missing, and none be there twice. */
const SECOND_AS_CRON: When = { fields: { cron: '* * * * * *' }, cycle: everyMs(1_000) };
const SECOND_AS_UNION: When = {
  fields: { specs: [{ every: '2s' }, { every: '2s', phase: '1s' }] },
  cycle: everyMs(1_000),
};

/** Those of every run. */
export const KINDS: readonly Kind[] = [
  kind('every-second', [SECOND], { catchUp: 'all' }),
  kind('cron-seconds', [
    {
      fields: { cron: '*/2 * * * * *', timeZone: 'America/New_York' },
      cycle: secondsOfMinute((second) => second % 2 === 0),
    },
  ]),
  kind('union-without', [
    {
      fields: {
        specs: [{ every: '4s' }, { cron: '1-59/6 * * * * *' }],
        exclude: ['30-39 * * * * *'],
        timeZone: 'Asia/Kathmandu',
      },
      cycle: secondsOfMinute((second) => (second % 4 === 0 || second % 6 === 1) && (second < 30 || second > 39)),
    },
  ]),
  kind('phase', [{ fields: { every: '3s', phase: 250 }, cycle: everyMs(3_000, 250) }], { catchUp: 'all' }),
  kind('jitter', [{ fields: { every: '4s', jitter: '3s' }, cycle: everyMs(4_000) }], {
    jitterMs: 3_000,
    catchUp: 'none',
  }),
  kind('runs-out', [SECOND], { maxRuns: 10 }),
  kind('skip', [SECOND], { overlap: 'skip', worksMs: [300, 1_400] }),
  kind('skip-none', [TWO_SECONDS], { overlap: 'skip', catchUp: 'none', worksMs: [20] }),
  kind('buffer-one', [SECOND], { overlap: 'bufferOne', worksMs: [200, 1_900] }),
  kind('buffer-all', [TWO_SECONDS], { overlap: 'bufferAll', catchUp: 'all', worksMs: [100, 700] }),
  kind('cancel-other', [{ fields: { every: '3s' }, cycle: everyMs(3_000) }], {
    overlap: 'cancelOther',
    worksMs: [500, 2_000, 5_000],
  }),
  kind('changed', [SECOND, SECOND_AS_CRON, SECOND_AS_UNION], { treatment: 'change' }),
  kind(
    'changed-in-pace',
    [
      TWO_SECONDS,
      { fields: { cron: '*/3 * * * * *' }, cycle: secondsOfMinute((second) => second % 3 === 0) },
      { fields: { every: '5s', phase: '500ms' }, cycle: everyMs(5_000, 500) },
    ],
    { treatment: 'change' },
  ),
  kind('paused', [SECOND], { treatment: 'pause' }),
  // Nobody can be asked about the skips of a schedule that is gone: whatever it missed makes a task.
  kind('deleted', [SECOND], { treatment: 'delete', catchUp: 'all' }),
  kind('triggered', [TWO_SECONDS], { treatment: 'trigger' }),
];

/**
 * Its attempts work for as long as a lease lasts: longer than it takes until a worker that is not heard counts as lost, so that the
 * next attempt has to wait for the end of the one before.
 */
export const LONG_KIND: Kind = kind('skip-long', [{ fields: { every: '5s' }, cycle: everyMs(5_000) }], {
  overlap: 'skip',
  worksMs: [15_000],
});

function kind(id: string, whens: readonly [When, ...When[]], more: Partial<Kind> = {}): Kind {
  return {
    id,
    whens,
    overlap: 'allow',
    catchUp: 'latest',
    worksMs: [0],
    jitterMs: 0,
    maxRuns: 0,
    treatment: undefined,
    ...more,
  };
}

/** What is put for a schedule. */
export function specOf({ id, overlap, catchUp, maxRuns, worksMs }: Kind, when: When, endAtMs?: number): ScheduleSpec {
  const payload: OccurrencePayload = { schedule: id, worksMs };
  return {
    id,
    ...when.fields,
    ...(endAtMs === undefined ? {} : { endAt: endAtMs }),
    overlap,
    catchUp,
    ...(maxRuns === 0 ? {} : { maxRuns }),
    task: { type: OCCURRENCE_TYPE, queue: id, payload, retry: { initial: '100ms', maxAttempts: 50 } },
  };
}
