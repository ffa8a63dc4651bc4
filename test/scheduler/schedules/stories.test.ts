import { describe, test } from 'vitest';
import type { Command, Completion } from '../../../src/scheduler/command.ts';
import { blob } from '../driver.ts';
import { put, ScheduleStory } from './schedule-story.ts';

const DONE: Completion['outcome'] = { type: 'done', result: blob('sent') };
const FAILED: Completion['outcome'] = { type: 'failed', error: blob('no route'), nonRetryable: true };
const RETURNED: Completion['outcome'] = { type: 'returned' };
const MINUTE_MS = 60_000;

function end(story: ScheduleStory, number: number, outcome: Completion['outcome'] = DONE): Command {
  const { fencingToken, worker } = story.driver.scheduler.assignment(number) ?? { fencingToken: 0, worker: 'w1' };
  return { type: 'complete', worker, completions: [{ number, fencingToken, outcome }] };
}

function of(schedule: string): { readonly namespace: string; readonly schedule: string } {
  return { namespace: 'default', schedule };
}

function trigger(schedule: string, request: string): Extract<Command, { type: 'triggerSchedule' }> {
  return { type: 'triggerSchedule', ...of(schedule), request };
}

describe('overlap', () => {
  test('skip: while a task is not final, occurrences are skipped', async () => {
    const story = new ScheduleStory('Overlap: skip');
    story.tell(story.driver.attachCommand('w1', { slots: 9 }), put('report'));
    story.say('Every minute. The task of the first minute runs for two and a half.');
    story.run(150_000).tell(end(story, 1)).run(MINUTE_MS).schedule('report');
    await story.matches('overlap-skip');
  });

  test('bufferOne: one waits, the others are skipped', async () => {
    const story = new ScheduleStory('Overlap: bufferOne');
    story.tell(story.driver.attachCommand('w1', { slots: 9 }), put('report', { policy: { overlap: 'bufferOne' } }));
    story.run(3 * MINUTE_MS).schedule('report');
    story.say('With the end of the first the one that waits starts in the same entry. It names the minute it is for.');
    story.tell(end(story, 1)).schedule('report');
    story.line(story.relative(JSON.stringify(story.driver.task(2).occurrence)));
    story.tell(end(story, 2)).schedule('report');
    await story.matches('overlap-buffer-one');
  });

  test('bufferAll: they wait up to the bound, and start one after the other', async () => {
    const story = new ScheduleStory('Overlap: bufferAll, here with room for two', { scheduleBufferMax: 2 });
    story.tell(story.driver.attachCommand('w1', { slots: 9 }), put('report', { policy: { overlap: 'bufferAll' } }));
    story.run(4 * MINUTE_MS).schedule('report');
    for (const number of [1, 2, 3]) story.tell(end(story, number));
    story.schedule('report');
    await story.matches('overlap-buffer-all');
  });

  test('cancelOther: what runs is told to stop, the newest takes its place', async () => {
    const story = new ScheduleStory('Overlap: cancelOther');
    story.tell(story.driver.attachCommand('w1', { slots: 1 }), put('report', { policy: { overlap: 'cancelOther' } }));
    story.run(2 * MINUTE_MS).schedule('report');
    story.say('The handler does not heed it. The next one replaces the one that waits.');
    story.run(20_000).tell(trigger('report', 'r1')).schedule('report');
    story.say('It hands the task back, which is cancelled; the trigger starts.');
    story
      .tell(end(story, 1, RETURNED))
      .schedule('report')
      .task(1);
    story.say('A task that only waits for a slot is cancelled at once.');
    story.tell(story.driver.submitCommand([{}]), end(story, 2), trigger('report', 'r2'), trigger('report', 'r3'));
    story.schedule('report');
    await story.matches('overlap-cancel-other');
  });

  test('allow: they run side by side', async () => {
    const story = new ScheduleStory('Overlap: allow');
    story.tell(story.driver.attachCommand('w1', { slots: 9 }), put('report', { policy: { overlap: 'allow' } }));
    story.run(3 * MINUTE_MS).schedule('report');
    await story.matches('overlap-allow');
  });
});

describe('catching up', () => {
  test('latest: of the missed only the newest fires', async () => {
    const story = new ScheduleStory('Catching up: latest');
    story.tell(put('report', { policy: { overlap: 'allow' } })).run(MINUTE_MS);
    story.say('Ten minutes of outage. The newest is not a minute late, so it fires as any other.');
    story.outage(10 * MINUTE_MS).schedule('report');
    story.say('Of one that is due every ten minutes the newest is more than a minute late, and fires as the only one.');
    story.tell({ type: 'deleteSchedule', ...of('report'), expectedVersion: 1 });
    story.tell(put('slow', { every: 'every 600000', policy: { overlap: 'allow' } }));
    story.outage(30.5 * MINUTE_MS).schedule('slow');
    await story.matches('catch-up-latest');
  });

  test('latest: the newest is only known once the leader has computed on', async () => {
    const story = new ScheduleStory('Catching up: latest, with instants missing', { scheduleInstantsMax: 4 });
    const { driver } = story;
    story.tell(put('report', { every: 'every 240000', policy: { overlap: 'allow' } }));
    story.say(
      'Nothing is computed for a quarter of an hour. The last known instant is missed, and others may be due by now.',
    );
    driver.nowMs += 15 * MINUTE_MS;
    story.quietly({ type: 'tick' });
    story.schedule('report').line(`open cursors: ${driver.scheduler.openCursors}`);
    story.say('Then they are.').keep().schedule('report');
    await story.matches('catch-up-latest-waits');
  });

  test('all: at a distance, and not without end', async () => {
    const story = new ScheduleStory('Catching up: all, here at most four in a row', { catchUpMax: 4 });
    story.tell(put('report', { policy: { overlap: 'allow', catchUp: 'all' } })).run(MINUTE_MS);
    story
      .outage(8 * MINUTE_MS)
      .run(MINUTE_MS)
      .schedule('report');
    await story.matches('catch-up-all');
  });

  test('none, and the window', async () => {
    const story = new ScheduleStory('Catching up: none, and a window of three minutes');
    story.tell(put('never', { policy: { overlap: 'allow', catchUp: 'none' } }));
    story.tell(put('window', { policy: { overlap: 'allow', catchUp: 'all', catchUpWindowMs: 180_000 } }));
    story
      .run(MINUTE_MS)
      .outage(5.5 * MINUTE_MS)
      .run(1_000);
    story.schedule('never').schedule('window');
    await story.matches('catch-up-none');
  });
});

describe('standing still and going on', () => {
  test('pause and resume', async () => {
    const story = new ScheduleStory('Pause and resume');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 9 }), put('report', { policy: { overlap: 'bufferAll' } }));
    story.run(2 * MINUTE_MS);
    story.say('What is due while it is paused is skipped; what waits goes on waiting, though the task has ended.');
    story.tell({ type: 'pauseSchedule', ...of('report'), note: blob('maintenance') }).run(MINUTE_MS);
    story.tell(end(story, 1)).schedule('report');
    story.say('A trigger is explicit.').tell(trigger('report', 'r1')).tell(end(story, 2));
    story
      .tell({ type: 'resumeSchedule', ...of('report'), note: blob('') })
      .schedule('report')
      .run(MINUTE_MS);
    story.say('One that is made paused, and one that is not there.');
    story
      .tell(put('later', { paused: true }))
      .run(MINUTE_MS)
      .schedule('later');
    story.tell({ type: 'pauseSchedule', ...of('nobody'), note: blob('') });
    await story.matches('pause');
  });

  test('failures in a row', async () => {
    const story = new ScheduleStory('Failures in a row pause a schedule');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 9 }), put('report', { policy: { pauseOnFailure: 2 } }));
    story
      .run(MINUTE_MS)
      .tell(end(story, 1, FAILED))
      .run(MINUTE_MS)
      .tell(end(story, 2));
    story.say('A task that ended well in between begins the count anew.');
    story
      .run(MINUTE_MS)
      .tell(end(story, 3, FAILED))
      .run(MINUTE_MS)
      .tell(end(story, 4, FAILED));
    story.run(MINUTE_MS).schedule('report');
    story
      .tell({ type: 'resumeSchedule', ...of('report'), note: blob('mended') })
      .run(MINUTE_MS)
      .schedule('report');
    await story.matches('pause-on-failure');
  });

  test('as many runs as there may be', async () => {
    const story = new ScheduleStory('Runs are counted, those that wait among them');
    const { driver } = story;
    const policy = { overlap: 'bufferAll', maxRuns: 3 } as const;
    story.tell(driver.attachCommand('w1', { slots: 9 }), put('report', { policy }));
    story.run(5 * MINUTE_MS).schedule('report');
    story.tell(end(story, 1)).tell(end(story, 2)).schedule('report');
    story.say('A trigger still works, and is not counted. A pause has nothing to hold back.');
    story.tell(end(story, 3), trigger('report', 'r1'));
    story.tell({ type: 'pauseSchedule', ...of('report'), note: blob('') });
    story.say('A new version with more runs goes on.');
    story
      .tell(put('report', { policy: { ...policy, maxRuns: 4 } }))
      .run(2 * MINUTE_MS)
      .schedule('report');
    await story.matches('max-runs');
  });

  test('a calendar that ends', async () => {
    const story = new ScheduleStory('A calendar that ends');
    story
      .tell(put('once', { every: 'at 999990000', policy: { overlap: 'allow' } }))
      .run(MINUTE_MS)
      .schedule('once');
    await story.matches('calendar-ends');
  });
});

describe('changing', () => {
  test('a new version while an occurrence is due and while one waits', async () => {
    const story = new ScheduleStory('A new version');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 9 }), put('report', { policy: { overlap: 'bufferOne' } }));
    story.run(2 * MINUTE_MS).schedule('report');
    story.say('The occurrence that waits keeps its version, and fires with the newest task.');
    story.tell(
      put('report', { every: 'every 90000', payload: 'new', policy: { overlap: 'bufferOne' }, expectedVersion: 1 }),
    );
    story
      .tell(end(story, 1))
      .tell(end(story, 2))
      .run(2 * MINUTE_MS)
      .schedule('report');
    story.say('The same again changes nothing, an outdated expectation is refused.');
    story.tell(put('report', { every: 'every 90000', payload: 'new', policy: { overlap: 'bufferOne' } }));
    story.tell(put('report', { expectedVersion: 1 })).tell(put('report', { expectedVersion: 0 }));
    story.tell(put('other', { expectedVersion: 3 }));
    story.say('Instants that were computed for the version before are refused.');
    const { number } = story.view('report');
    const fromMs = story.view('report').computedThroughMs;
    story.apply({
      type: 'advanceSchedule',
      number,
      version: 1,
      fromMs,
      occurrences: [],
      throughMs: fromMs + 1,
      exhausted: false,
    });
    await story.matches('new-version');
  });

  test('a jittered occurrence that has not fired is named anew by the new version', async () => {
    const story = new ScheduleStory('A new version while an occurrence is held back by jitter');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 9 }));
    story.tell(put('report', { every: 'every 60000 jitter 30000', policy: { overlap: 'allow' } }));
    const [first] = story.view('report').next;
    story.run((first?.plannedMs ?? 0) - driver.nowMs + 1);
    story.line(story.relative(`planned ${first?.plannedMs ?? 0}, to fire at ${first?.fireAtMs ?? 0}`));
    story
      .tell(put('report', { policy: { overlap: 'allow' } }))
      .run(MINUTE_MS)
      .schedule('report');
    await story.matches('new-version-jitter');
  });

  test('deleted while a task runs and another waits', async () => {
    const story = new ScheduleStory('A schedule is deleted');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 9 }), put('report', { policy: { overlap: 'bufferOne' } }));
    story.run(2 * MINUTE_MS);
    story.tell({ type: 'deleteSchedule', ...of('report'), expectedVersion: 7 });
    story.tell({ type: 'deleteSchedule', ...of('report'), expectedVersion: -1 }).run(MINUTE_MS);
    story.say('Its id is free for another one, which knows nothing of the task that still runs.');
    story.tell(put('report')).run(MINUTE_MS).schedule('report');
    story
      .tell(end(story, 1))
      .task(1)
      .line(story.relative(JSON.stringify(story.driver.task(1).occurrence)));
    await story.matches('delete');
  });
});

describe('on request', () => {
  test('a trigger, again, and under another policy', async () => {
    const story = new ScheduleStory('A trigger');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 9 }), put('report', { every: 'every 86400000' }));
    story.tell(trigger('report', 'r1')).tell(trigger('report', 'r1')).tell(trigger('report', 'r2'));
    story.tell({ ...trigger('report', 'r3'), overlap: 'bufferOne' }).tell(trigger('report', 'r3'));
    story.tell({ ...trigger('report', 'r4'), overlap: 'allow' }).tell(trigger('nobody', 'r5'));
    story.schedule('report');
    await story.matches('trigger');
  });

  test('a backfill', async () => {
    const story = new ScheduleStory('A backfill');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 9 }), put('report'));
    const past = [driver.nowMs - 120_000, driver.nowMs - 60_000];
    const backfill = { type: 'backfillSchedule', ...of('report'), version: 1, request: 'b1', plannedMs: past } as const;
    story.tell(backfill).schedule('report').tell(backfill);
    story.say('Side by side, where that is asked for. An outdated version, and the future, are refused.');
    story.tell({ ...backfill, request: 'b2', overlap: 'allow' });
    story.tell({ ...backfill, request: 'b3', version: 2 });
    story.tell({ ...backfill, request: 'b4', plannedMs: [driver.nowMs + 1] });
    story.say('What is planned goes on beside it.').run(MINUTE_MS).schedule('report');
    await story.matches('backfill');
  });

  test('no room for another task', async () => {
    const story = new ScheduleStory('As many tasks as may be', { liveTasksMax: 1 });
    story
      .tell(put('report', { policy: { overlap: 'allow' } }))
      .run(2 * MINUTE_MS)
      .tell(trigger('report', 'r1'));
    story.schedule('report');
    await story.matches('task-limit');
  });
});

describe('a lost worker', () => {
  test('keeps the overlap slot until its lease is over', async () => {
    const story = new ScheduleStory('A worker is lost while it runs a task of a schedule');
    const { driver } = story;
    story.tell(driver.attachCommand('w1', { slots: 3 }), put('report'), put('free', { policy: { overlap: 'allow' } }));
    story.run(MINUTE_MS).tell(driver.submitCommand([{}]));
    story.say(
      'The handler may run on until 75 s. Nobody gets the task before, unless its schedule lets tasks overlap.',
    );
    story.apply({ type: 'workerAway', worker: 'w1', instance: 'w1-1' });
    story.apply({ type: 'workerLost', worker: 'w1', instance: 'w1-1', capsFreeAtMs: driver.nowMs + 15_000 });
    story.apply(driver.attachCommand('w2', { slots: 9 }));
    story.task(1).task(2).task(3).run(14_999).task(1).run(1).task(1).history(1);
    await story.matches('lost-worker');
  });
});
