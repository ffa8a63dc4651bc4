/** Schedules of a fake cluster: enough of them to tell whether a change was made, how often, and by whom last. */
import type { ClientFrame } from '../../src/protocol/client-frame.ts';
import type { ErrorCode } from '../../src/protocol/error-code.ts';
import { SCHEDULE_STATES, type ScheduleRow } from '../../src/protocol/rows.ts';

type FrameOf<Type extends ClientFrame['type']> = Extract<ClientFrame, { readonly type: Type }>;
type Change = FrameOf<'putSchedule' | 'deleteSchedule' | 'pauseSchedule' | 'resumeSchedule'>;

/** What a change comes to. */
type Outcome = { readonly version: number; readonly created: boolean; readonly unchanged: boolean } | ErrorCode;

interface Kept {
  version: number;
  readonly createdAtMs: number;
  calendar: string;
  paused: boolean;
  note: string;
  pauseChangedAtMs: number;
}

const OK = { version: 0, created: false, unchanged: false };

export class FakeSchedules {
  readonly kept: Map<string, Kept> = new Map();
  #nowMs = 1_000;

  /** Makes a change, by the rules of the product. */
  change(frame: Change): Outcome {
    const one = this.kept.get(frame.schedule);
    if (frame.type === 'putSchedule') return this.#put(frame, one);
    if (one === undefined) return 'NOT_FOUND';
    if (frame.type === 'deleteSchedule') {
      if (frame.expectedVersion !== null && frame.expectedVersion !== one.version) return 'VERSION_CONFLICT';
      this.kept.delete(frame.schedule);
      return OK;
    }
    if (frame.type === 'resumeSchedule' && !one.paused) return OK;
    this.#nowMs += 1;
    one.paused = frame.type === 'pauseSchedule';
    one.note = frame.note;
    one.pauseChangedAtMs = this.#nowMs;
    return OK;
  }

  row(schedule: string): ScheduleRow | undefined {
    const one = this.kept.get(schedule);
    if (one === undefined) return undefined;
    const { version, createdAtMs, calendar, paused, note, pauseChangedAtMs } = one;
    const state = SCHEDULE_STATES.indexOf(paused ? 'paused' : 'active');
    const template = ['report', null, null, [], null, null, null] as const;
    const counters = [[0, 0, 0], [], 0, 0, 0] as const;
    return [
      ...([schedule, version, state, calendar, template, [0, 0, 0, 0, 0], null, createdAtMs, createdAtMs] as const),
      ...([
        paused ? 'request' : null,
        note === '' ? null : note,
        [],
        0,
        counters,
        0,
        0,
        0,
        null,
        null,
        null,
        [],
        pauseChangedAtMs,
      ] as const),
    ];
  }

  #put({ schedule, calendar, expectedVersion, paused }: FrameOf<'putSchedule'>, one: Kept | undefined): Outcome {
    const isSame = one?.calendar === calendar;
    const version = one?.version ?? 0;
    if (one === undefined && (expectedVersion ?? 0) > 0) return 'NOT_FOUND';
    const isExpected = expectedVersion === null || expectedVersion === version;
    if (!isExpected && !(isSame && expectedVersion === version - 1)) return 'VERSION_CONFLICT';
    if (isSame) return { version, created: false, unchanged: true };
    this.#nowMs += 1;
    if (one === undefined) {
      this.kept.set(schedule, {
        version: 1,
        createdAtMs: this.#nowMs,
        calendar,
        paused,
        note: '',
        pauseChangedAtMs: 0,
      });
      return { version: 1, created: true, unchanged: false };
    }
    one.version += 1;
    one.calendar = calendar;
    return { version: one.version, created: false, unchanged: false };
  }
}
