/** What a leader does for schedules, with calendars that are easy to see through in place of cron. */
import type { Command, PlannedOccurrence } from '../../../src/scheduler/command.ts';
import type { WantingSchedule } from '../../../src/scheduler/views.ts';
import { bytesOf, textOf } from '../driver.ts';

/**
 * A calendar as text: `every 60000` names the multiples of a minute, `at 5,7` these two instants. `jitter 2000` behind it lets each
 * fire up to 2 s later.
 */
export function calendar(text: string): Uint8Array {
  return bytesOf(text);
}

/** The first instants of `calendar` after `fromMs`, at most `max`; fewer where it has no others. */
export function instantsAfter(calendarText: string, fromMs: number, max: number): PlannedOccurrence[] {
  const [form, argument = '', , jitter = '0'] = calendarText.split(' ');
  const planned: number[] = [];
  if (form === 'every') {
    const everyMs = Number(argument);
    let nextMs = (Math.floor(fromMs / everyMs) + 1) * everyMs;
    for (; planned.length < max; nextMs += everyMs) planned.push(nextMs);
  } else {
    for (const atMs of argument.split(',').map(Number)) {
      if (atMs > fromMs && planned.length < max) planned.push(atMs);
    }
  }
  return planned.map((plannedMs) => ({ plannedMs, fireAtMs: plannedMs + spread(plannedMs, Number(jitter)) }));
}

/** How much later an instant fires, the same each time that it is asked. */
function spread(plannedMs: number, jitterMs: number): number {
  return jitterMs === 0 ? 0 : Math.abs(Math.imul(plannedMs, 0x9e3779b1)) % jitterMs;
}

/** The next instants of a schedule that wants some: enough for a minute, two at least, as many as there is room for at most. */
export function advanceOf(wanting: WantingSchedule, nowMs: number): Extract<Command, { type: 'advanceSchedule' }> {
  const { number, version, fromMs, room } = wanting;
  const all = instantsAfter(textOf(wanting.calendar), fromMs, room + 1);
  const near = all.filter(({ plannedMs }, at) => at < room && (at < 2 || plannedMs <= nowMs + 60_000));
  const exhausted = near.length === all.length;
  const last = near.at(-1);
  const throughMs = exhausted ? Math.max(nowMs + 60_000, last?.plannedMs ?? fromMs) : (last?.plannedMs ?? fromMs);
  return { type: 'advanceSchedule', number, version, fromMs, occurrences: near, throughMs, exhausted };
}
