import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../src/base/bytes.ts';
import type { Clock, Timers } from '../../src/base/clock.ts';
import { CalendarError, parseCalendar } from '../../src/calendar/definition.ts';
import type { ProposalDone, ProposalLane, ProposalResult } from '../../src/peer/types.ts';
import { decodeCommand } from '../../src/scheduler/decode.ts';
import type { Command, PlannedOccurrence } from '../../src/scheduler/command.ts';
import type { SchedulerErrorCode, SettledOccurrence } from '../../src/scheduler/outcome.ts';
import type { WantingSchedule } from '../../src/scheduler/views.ts';
import { Calendars, storedBytes } from '../../src/server/schedule-calendars.ts';
import { ScheduleKeeper } from '../../src/server/schedule-keeper.ts';
import { VirtualTime } from '../support/virtual-time.ts';

type Advance = Extract<Command, { type: 'advanceSchedule' }>;

const NOON_MS = 1_750_000_000_000 - (1_750_000_000_000 % 60_000);
const INDEX = { type: 'applied', index: 1, logTimeMs: 0 } as const;

/** A state that says what a test tells it to, and a log that a test fills. */
class FakePeer {
  wanting: WantingSchedule[] = [];
  /** Instants that every schedule has already. */
  stored: readonly PlannedOccurrence[] = [];
  full = false;
  /** How many were asked for, each time. */
  readonly asked: number[] = [];
  /** Where the parts of all schedules began that were asked for. */
  readonly parts: number[] = [];
  readonly proposed: { readonly command: Advance; readonly done: ProposalDone }[] = [];
  readonly scheduler = {
    wantingSchedules: (max: number): readonly WantingSchedule[] => {
      this.asked.push(max);
      return this.wanting.slice(0, max);
    },
    wantingSchedulesAt: (
      from: number,
      count: number,
      isLeftOut: (number: number, version: number) => boolean,
    ): { readonly wanting: readonly WantingSchedule[]; readonly next: number } => {
      this.parts.push(from);
      const part = this.wanting.slice(from, from + count);
      const next = from + count < this.wanting.length ? from + count : 0;
      return { wanting: part.filter(({ number, version }) => !isLeftOut(number, version)), next };
    },
    schedule: (): { readonly next: readonly PlannedOccurrence[] } => ({ next: this.stored }),
  };
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  logTimeNowMs(): number {
    return NOON_MS + this.#time.nowMs;
  }

  propose(_lane: ProposalLane, bytes: Uint8Array, _moves: number, done: ProposalDone): boolean {
    if (this.full) return false;
    this.proposed.push({ command: decodeCommand(new ByteReader(bytes)).command as Advance, done });
    return true;
  }

  /** The advances that are under way are settled: those that were applied want no more. */
  settle(result: ProposalResult): number {
    const settled = this.proposed.splice(0);
    for (const { command, done } of settled) {
      const isApplied = result.type === 'applied' && result.reply.type === 'ok';
      if (isApplied) this.wanting = this.wanting.filter(({ number }) => number !== command.number);
      done(result);
    }
    return settled.length;
  }
}

/** A keeper that leads. `clock` takes the place of one that stands still within an event. */
function keep(clock?: Clock): {
  time: VirtualTime;
  peer: FakePeer;
  keeper: ScheduleKeeper;
  lines: Record<string, unknown>[];
  soon: () => number;
} {
  const time = new VirtualTime();
  const peer = new FakePeer(time);
  const lines: Record<string, unknown>[] = [];
  const note = (message: string, fields: object = {}): void => void lines.push({ message, ...fields });
  let turns = 0;
  const timers: Timers = {
    soon: (action) => {
      turns += 1;
      return time.soon(action);
    },
    after: (ms, action) => time.after(ms, action),
  };
  const logger = { debug: note, info: note, warn: note, error: note };
  const ports = { clock: clock ?? time.clock(NOON_MS), timers, logger };
  const keeper = new ScheduleKeeper(peer, ports, new Calendars());
  keeper.begin();
  return { time, peer, keeper, lines, soon: () => turns };
}

function wants(number: number, when: object, changes: Partial<WantingSchedule> = {}): WantingSchedule {
  const calendar = storedBytes(parseCalendar(when), null);
  return {
    number,
    namespace: 'default',
    schedule: `s${number}`,
    version: 1,
    calendar,
    fromMs: NOON_MS,
    room: 64,
    ...changes,
  };
}

function applied(code?: SchedulerErrorCode): ProposalResult {
  return { ...INDEX, reply: code === undefined ? { type: 'ok' } : { type: 'refused', code, position: -1 } };
}

const NOTHING = { occurrences: [], schedulesWant: true };

describe('what a schedule is given', () => {
  it('is all of the next minute when it fires often', async () => {
    const { time, peer } = keep();
    peer.wanting = [wants(1, { every: '5s' })];
    await time.advance(1);
    const [advance] = peer.proposed;
    expect(advance?.command).toMatchObject({ number: 1, version: 1, fromMs: NOON_MS, exhausted: false });
    expect(advance?.command.occurrences.map(({ plannedMs }) => plannedMs - NOON_MS)).toEqual(
      Array.from({ length: 12 }, (_, at) => 5_000 * (at + 1)),
    );
    expect(advance?.command.throughMs).toBeGreaterThanOrEqual(NOON_MS + 60_000);
  });

  it('is the next two instants when it fires rarely, whenever they are', async () => {
    const { time, peer } = keep();
    peer.wanting = [wants(1, { cron: '0 0 29 2 *' })];
    await time.advance(1);
    const days = peer.proposed[0]?.command.occurrences.map(({ plannedMs }) => new Date(plannedMs).toISOString());
    expect(days).toEqual(['2028-02-29T00:00:00.000Z', '2032-02-29T00:00:00.000Z']);
  });

  it('is no more than it has room for, and no more than 64', async () => {
    const { time, peer } = keep();
    peer.wanting = [
      wants(1, { every: '1s' }, { room: 3 }),
      wants(2, { every: '1s' }, { room: 0 }),
      wants(3, { every: '1s' }, { fromMs: NOON_MS - 86_400_000, room: 1_000 }),
    ];
    await time.advance(1);
    expect(peer.proposed.map(({ command }) => [command.number, command.occurrences.length])).toEqual([
      [1, 3],
      [3, 64],
    ]);
  });

  it('is the word that there is no more, where there is none', async () => {
    const { time, peer } = keep();
    const at = NOON_MS + 7_000;
    peer.wanting = [wants(1, { at }), wants(2, { at }, { fromMs: at })];
    await time.advance(1);
    expect(peer.proposed.map(({ command }) => [command.occurrences.length, command.exhausted])).toEqual([
      [1, true],
      [0, true],
    ]);
  });

  it('is computed anew for a new version', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = [wants(1, { every: '30s' })];
    await time.advance(1);
    peer.settle(applied());
    peer.wanting = [wants(1, { every: '20s' }, { version: 2 })];
    keeper.applied(NOTHING);
    await time.advance(1);
    expect(peer.proposed[0]?.command.occurrences.map(({ plannedMs }) => plannedMs - NOON_MS)).toEqual([
      20_000, 40_000, 60_000,
    ]);
  });
});

describe('many schedules', () => {
  it('are given instants in their order, at most 64 at a time, until none wants', async () => {
    const { time, peer } = keep();
    peer.wanting = Array.from({ length: 200 }, (_, at) => wants(at + 1, { every: '1h' }));
    const rounds: number[] = [];
    while (peer.wanting.length > 0) {
      await time.advance(1);
      rounds.push(peer.settle(applied()));
    }
    expect(rounds).toEqual([64, 64, 64, 8]);
    await time.advance(10_000);
    expect(peer.proposed).toEqual([]);
  });

  it('are computed a slice at a time', async () => {
    let nowMs = 0;
    // Every look at the clock takes a millisecond.
    const clock: Clock = { monotonicMs: () => (nowMs += 1), wallMs: () => NOON_MS };
    const { time, peer, soon } = keep(clock);
    peer.wanting = Array.from({ length: 60 }, (_, at) => wants(at + 1, { every: '1h' }));
    await time.advance(1);
    expect(peer.proposed.length).toBe(60);
    expect(soon()).toBeGreaterThan(10);
  });

  it('that are under way are not asked for twice, and hide no other', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = Array.from({ length: 60 }, (_, at) => wants(at + 1, { every: '1h' }));
    await time.advance(1);
    peer.wanting.push(wants(61, { every: '1h' }));
    for (let count = 0; count < 3; count += 1) keeper.applied(NOTHING);
    await time.advance(1);
    expect(peer.proposed.map(({ command }) => command.number)).toEqual(Array.from({ length: 61 }, (_, at) => at + 1));
  });
});

describe('a schedule whose instants, if there are any, lie behind years of exclusions', () => {
  const never = { cron: '0 0 * * *', exclude: ['0 0 * * MON-SAT', '0 0 * * SUN,MON'] };
  const HOUR_MS = 3_600_000;

  it('is looked at once an hour, since nothing is due for long', async () => {
    const { time, peer } = keep();
    peer.wanting = [wants(1, never)];
    const throughMs: number[] = [];
    for (let hour = 0; hour < 3; hour += 1) {
      await time.advance(hour === 0 ? 1 : 2_000);
      const [advance] = peer.proposed;
      expect(peer.proposed.length).toBe(1);
      expect(advance?.command).toMatchObject({ occurrences: [], exhausted: false });
      throughMs.push(advance?.command.throughMs ?? 0);
      peer.settle(applied());
      peer.wanting = [wants(1, never, { fromMs: advance?.command.throughMs ?? 0 })];
      await time.advance(HOUR_MS - 2_000);
      expect(peer.proposed).toEqual([]);
    }
    expect(throughMs).toEqual([...throughMs].sort((left, right) => left - right));
    expect(new Set(throughMs).size).toBe(3);
  });

  it('is looked at once a second while they are near', async () => {
    const { time, peer } = keep();
    const minutes = { cron: '* * * * *', exclude: ['0-30 * * * *', '31-59 * * * *'] };
    peer.wanting = [wants(1, minutes)];
    await time.advance(1);
    expect(peer.settle(applied())).toBe(1);
    peer.wanting = [wants(1, minutes, { fromMs: NOON_MS + 90_000 })];
    await time.advance(30_000);
    expect(peer.proposed.length).toBe(1);
  });

  it('is looked at again at once in a new version', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = [wants(1, never)];
    await time.advance(1);
    peer.settle(applied());
    peer.wanting = [wants(1, { every: '1h' }, { version: 2 })];
    keeper.applied(NOTHING);
    await time.advance(100);
    expect(peer.proposed.map(({ command }) => command.version)).toEqual([2]);
  });
});

describe('schedules that want and have to wait', () => {
  const broken = new TextEncoder().encode('{"specs":[{"cron":"* * * * *"}],"timeZone":"Mars/Olympus"}');

  it('are looked for ten times a second at most, however many entries are applied', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = [wants(1, { every: '1h' }, { calendar: broken })];
    for (let count = 0; count < 1_000; count += 1) {
      keeper.applied(NOTHING);
      await time.advance(1);
    }
    expect(peer.asked.length).toBeLessThan(15);
    peer.wanting.push(wants(2, { every: '1h' }));
    keeper.applied(NOTHING);
    await time.advance(100);
    expect(peer.proposed.map(({ command }) => command.number)).toEqual([2]);
  });

  it('hide no other, though there are thousands, and are looked past a part at a time', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = Array.from({ length: 3_000 }, (_, at) => wants(at + 1, { every: '1h' }, { calendar: broken }));
    peer.wanting.push(wants(4_000, { every: '1h' }));
    for (let count = 0; count < 20; count += 1) {
      keeper.applied(NOTHING);
      await time.advance(1_000);
    }
    expect(peer.proposed.map(({ command }) => command.number)).toEqual([4_000]);
    peer.settle(applied());
    peer.wanting.splice(1_000, 0, wants(4_001, { every: '1h' }));
    await time.advance(1_000);
    expect(peer.proposed.map(({ command }) => command.number)).toEqual([4_001]);
    const [asked, parts] = [peer.asked.length, peer.parts.length];
    for (let count = 0; count < 5_000; count += 10) {
      keeper.applied(NOTHING);
      await time.advance(10);
    }
    expect(peer.asked.slice(asked).length).toBeLessThan(110);
    expect(Math.max(...peer.asked)).toBe(320);
    expect(new Set(peer.parts.slice(parts))).toEqual(new Set([0, 512, 1_024, 1_536, 2_048, 2_560]));
  });
});

it('never has an instant fire before those that the schedule has, whatever jitter another leader drew', async () => {
  const { time, peer } = keep();
  peer.stored = [{ plannedMs: NOON_MS, fireAtMs: NOON_MS + 25_000 }];
  peer.wanting = [wants(1, { every: '10s' }, { room: 4 })];
  await time.advance(1);
  const instants = peer.proposed[0]?.command.occurrences.map((one) => [
    one.plannedMs - NOON_MS,
    one.fireAtMs - NOON_MS,
  ]);
  expect(instants).toEqual([
    [10_000, 25_000],
    [20_000, 25_000],
    [30_000, 30_000],
    [40_000, 40_000],
  ]);
});

describe('what is lost', () => {
  it('is proposed again: dropped, of unknown outcome, or not even taken', async () => {
    const { time, peer } = keep();
    peer.wanting = [wants(1, { every: '1h' })];
    peer.full = true;
    await time.advance(1);
    expect(peer.proposed).toEqual([]);
    peer.full = false;
    await time.advance(100);
    for (const type of ['dropped', 'unknown'] as const) {
      expect(peer.settle({ type })).toBe(1);
      await time.advance(99);
      expect(peer.proposed).toEqual([]);
      await time.advance(1);
    }
    expect(peer.settle(applied())).toBe(1);
    await time.advance(1_000);
    expect(peer.proposed).toEqual([]);
  });

  it('is computed from the new state when the old one has moved on', async () => {
    const { time, peer } = keep();
    peer.wanting = [wants(1, { every: '1h' })];
    await time.advance(1);
    peer.wanting = [wants(1, { every: '1h' }, { fromMs: NOON_MS + 3_600_000 })];
    peer.settle(applied('STALE'));
    await time.advance(1);
    expect(peer.proposed.map(({ command }) => command.fromMs)).toEqual([NOON_MS + 3_600_000]);
  });

  it('with leadership is the next leader’s affair, and begun from the state by whoever leads again', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = [wants(1, { every: '1h' })];
    await time.advance(1);
    keeper.end();
    peer.settle({ type: 'unknown' });
    keeper.applied(NOTHING);
    await time.advance(1_000);
    expect(peer.proposed).toEqual([]);
    keeper.begin();
    await time.advance(1);
    expect(peer.proposed.length).toBe(1);
  });

  it('in an earlier term does not count in this one', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = [wants(1, { every: '1h' })];
    await time.advance(1);
    const [before] = peer.proposed.splice(0);
    keeper.end();
    keeper.begin();
    await time.advance(1);
    expect(peer.proposed.length).toBe(1);
    before?.done({ type: 'dropped' });
    await time.advance(1_000);
    expect(peer.proposed.length).toBe(1);
  });
});

describe('a schedule that cannot be computed here', () => {
  const broken = new TextEncoder().encode('{"specs":[{"cron":"* * * * *"}],"timeZone":"Mars/Olympus"}');

  it('is said in the alarms and where it is shown, hinders no other, and is tried again in a new version', async () => {
    const { time, peer, keeper, lines } = keep();
    expect(keeper.alarms).toEqual([]);
    peer.wanting = Array.from({ length: 70 }, (_, at) => wants(at + 1, { every: '1h' }, { calendar: broken }));
    peer.wanting.push(wants(71, { every: '1h' }));
    await time.advance(1);
    keeper.applied(NOTHING);
    await time.advance(1);
    expect(peer.proposed.map(({ command }) => command.number)).toEqual([71]);
    expect(keeper.alarms).toEqual([expect.stringContaining('70 schedules cannot be computed')]);
    expect(keeper.problemOf(3, 1)).toContain('Mars/Olympus');
    expect(keeper.problemOf(3, 2)).toBeUndefined();
    expect(lines.filter(({ schedule }) => schedule === 's3').length).toBe(1);
    peer.wanting = [wants(3, { every: '1h' }, { version: 2 })];
    keeper.applied(NOTHING);
    await time.advance(1);
    expect(peer.proposed.map(({ command }) => [command.number, command.version])).toContainEqual([3, 2]);
  });

  it('is tried again by the next leader', async () => {
    const { time, peer, keeper, lines } = keep();
    peer.wanting = [wants(1, { every: '1h' }, { calendar: broken })];
    await time.advance(1);
    keeper.end();
    expect(keeper.alarms).toEqual([]);
    keeper.begin();
    await time.advance(1);
    expect(lines.length).toBe(2);
  });

  it('since its instants are refused is not proposed for ever', async () => {
    const { time, peer, keeper } = keep();
    peer.wanting = [wants(1, { every: '1h' })];
    await time.advance(1);
    peer.settle(applied('INVALID_ARGUMENT'));
    await time.advance(1_000);
    expect(peer.proposed).toEqual([]);
    expect(keeper.problemOf(1, 1)).toContain('INVALID_ARGUMENT');
  });
});

it('keeps calendars, the last used ones, and makes what went anew', () => {
  const calendars = new Calendars();
  const of = (number: number): unknown => calendars.of({ ...wants(number, { every: '1h' }), id: `s${number}` });
  const first = of(1);
  expect(of(1)).toBe(first);
  for (let number = 2; number <= 10_001; number += 1) of(number);
  expect(of(1)).not.toBe(first);
  expect(() => calendars.of({ number: 2, version: 2, id: 'x', calendar: new Uint8Array([123]) })).toThrow(
    CalendarError,
  );
});

it('tells of skipped occurrences once a second, and how many there were', async () => {
  const { time, keeper, lines } = keep();
  const skipped = (plannedMs: number): SettledOccurrence => ({
    schedule: 1,
    namespace: 'default',
    id: 's1',
    version: 1,
    plannedMs,
    fireAtMs: plannedMs,
    kind: 'planned',
    skipped: 'overlap',
    lateMs: 0,
  });
  const { skipped: _reason, ...rest } = skipped(1);
  keeper.applied({ occurrences: [{ ...rest, task: 7 }], schedulesWant: false });
  expect(lines).toEqual([]);
  keeper.applied({ occurrences: [skipped(1)], schedulesWant: false });
  keeper.applied({ occurrences: [skipped(2), skipped(3)], schedulesWant: false });
  await time.advance(1_000);
  keeper.applied({ occurrences: [skipped(4)], schedulesWant: false });
  expect(lines).toEqual([
    expect.objectContaining({ schedule: 's1', plannedMs: 1, reason: 'overlap', others: 0 }),
    expect.objectContaining({ plannedMs: 4, others: 2 }),
  ]);
});
