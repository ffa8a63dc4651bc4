import { describe, test } from 'vitest';
import type { Command, Completion } from '../../src/scheduler/command.ts';
import { backoffMs } from '../../src/scheduler/retry.ts';
import { blob, template } from './driver.ts';
import { Story } from './story.ts';

const DONE: Completion['outcome'] = { type: 'done', result: blob('sent') };
const FAILED: Completion['outcome'] = { type: 'failed', error: blob('no route'), nonRetryable: false };
const RETURNED: Completion['outcome'] = { type: 'returned' };

function complete(
  story: Story,
  number: number,
  outcome: Completion['outcome'],
  token?: number,
  worker = 'w1',
): Command {
  const fencingToken = token ?? story.driver.token(number);
  return { type: 'complete', worker, completions: [{ number, fencingToken, outcome }] };
}

function lost(worker: string, instance = `${worker}-1`): Command {
  return { type: 'workerLost', worker, instance, capsFreeAtMs: 0 };
}

describe('stories', () => {
  test('a task from submission to its end', async () => {
    const story = new Story('A task from its submission to its end');
    const { driver } = story;
    story.say('A worker with two slots attaches; three tasks come, the third waits for a slot.');
    story.apply(driver.attachCommand('w1', { slots: 2 }));
    story.apply(driver.submitCommand([{ text: 'a' }, { text: 'b' }, { text: 'c' }]));
    story.say('Completing the first frees its slot within the same entry, and the third takes it.');
    story.apply(complete(story, 1, DONE));
    story.task(1).history(1).task(2).task(3).workers();
    story.say('A completion under an old token, of an ended task, of a task that never was:');
    story.apply(complete(story, 2, DONE, 99), complete(story, 1, DONE, 1), complete(story, 77, DONE, 1));
    await story.matches('life-of-a-task');
  });

  test('retries with growing waits, then failed', async () => {
    const story = new Story('Retries: the waits double, with jitter drawn from task and attempt');
    const { driver } = story;
    story.apply(driver.attachCommand('w1'));
    story.apply(
      driver.submitCommand([{ text: 'a' }], [template({ retry: { maxAttempts: 4, initialMs: 1_000, maxMs: 3_000 } })]),
    );
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      story.apply(complete(story, 1, FAILED));
      story.pass(backoffMs({ initialMs: 1_000, maxMs: 3_000 }, 1, attempt) - 1);
      story.line('not a millisecond early').pass(1);
    }
    story.apply(complete(story, 1, FAILED));
    story.task(1).history(1);
    story.say('A handler may say that another attempt is of no use, or when the next one is to be.');
    story.apply(driver.submitCommand([{ text: 'b' }, { text: 'c' }]));
    story.apply(complete(story, 2, { type: 'failed', error: blob('bad address'), nonRetryable: true }));
    story.apply(complete(story, 3, { type: 'failed', error: blob('busy'), nonRetryable: false, retryAfterMs: 60_000 }));
    story.pass(59_999);
    story.pass(1);
    story.task(2).task(3);
    await story.matches('retries');
  });

  test('order: priorities over queues, first in first out within a level', async () => {
    const story = new Story('Strict order by priority over all queues, first in, first out within a level');
    const { driver } = story;
    const templates = [template({ priority: 5 }), template({ priority: 1, queue: 'fire' }), template({ priority: 10 })];
    story.apply(
      driver.submitCommand(
        [{ template: 2 }, { template: 0 }, { template: 1 }, { template: 0 }, { template: 1 }],
        templates,
      ),
    );
    story.apply(driver.attachCommand('w1'));
    for (const number of [3, 5, 2, 4, 1]) story.apply(complete(story, number, DONE));
    await story.matches('order');
  });

  test('placement by labels, types and load', async () => {
    const story = new Story('Placement: types, labels, and the worker with the largest share of free slots');
    const { driver } = story;
    const gpu = template({ requires: [['gpu', 'yes']] });
    story.apply(driver.attachCommand('small', { slots: 2 }));
    story.apply(driver.attachCommand('large', { slots: 8 }));
    story.apply(
      driver.attachCommand('gpu', {
        slots: 1,
        labels: [
          ['gpu', 'yes'],
          ['host', 'g1'],
        ],
      }),
    );
    story.apply(driver.attachCommand('pictures', { slots: 4, types: ['image'] }));
    story.say('Two need a GPU: one waits, though others have room. Nobody runs videos.');
    story.apply(
      driver.submitCommand([{ template: 0 }, { template: 0 }, { template: 1 }], [gpu, template({ type: 'video' })]),
    );
    story.say('Six of mail spread by load.');
    story.apply(driver.submitCommand([{}, {}, {}, {}, {}, {}]));
    story.workers().task(2).task(3);
    await story.matches('placement');
  });

  test('delays', async () => {
    const story = new Story('Delayed tasks become ready in the order of their instants, then of their numbers');
    const { driver } = story;
    story.apply(driver.attachCommand('w1', { slots: 9 }));
    story.apply(
      driver.submitCommand([{ delayMs: 3_000 }, { delayMs: 1_000 }, { runAtMs: driver.nowMs + 1_000 }, { runAtMs: 5 }]),
    );
    story.line(`next due in ${(driver.scheduler.nextDueMs() ?? 0) - driver.nowMs} ms`);
    story.pass(999);
    story.pass(1);
    story.pass(10_000);
    story.history(1);
    await story.matches('delays');
  });

  test('timeouts of attempt, queue and whole', async () => {
    const story = new Story('Three timeouts, each with its own reason');
    const { driver } = story;
    const timeouts = { runMs: 0, queueMs: 0, totalMs: 0 };
    const templates = [
      template({ timeouts: { ...timeouts, runMs: 2_000 }, retry: { maxAttempts: 2, initialMs: 1_000, maxMs: 1_000 } }),
      template({ timeouts: { ...timeouts, queueMs: 3_000 } }),
      template({ timeouts: { ...timeouts, totalMs: 4_000 } }),
    ];
    driver.pass(15_000);
    story.apply(driver.attachCommand('w1', { slots: 2 }));
    story.apply(driver.submitCommand([{ template: 0 }, { template: 2 }, { template: 1 }, { template: 2 }], templates));
    story.say('The attempt of 1 takes too long: a failure of it. Its handler keeps the slot until it returns.');
    story.pass(2_000);
    story.workers().task(1);
    story.say('3 has waited too long. Then 2, which runs, and 4, which waits, have taken too long as a whole.');
    story.pass(1_000);
    story.pass(1_000);
    story.task(3).task(2).task(4).workers();
    story.say(
      'Both handlers return; their answers are stale or late, but now the slots are free, and the retry begins.',
    );
    story.apply(complete(story, 1, RETURNED, 1), complete(story, 2, DONE, 2));
    story.workers();
    story.say('The attempt asks for more time in time.');
    story.apply({ type: 'extendRun', ...driver.held(1), runMs: 5_000 });
    story.pass(4_000);
    story.pass(1_000);
    story.task(1).history(1);
    await story.matches('timeouts');
  });

  test('cancel', async () => {
    const story = new Story('Cancel: waiting tasks at once, running ones by signal, then by the end of the grace');
    const { driver } = story;
    driver.pass(15_000);
    story.apply(driver.attachCommand('w1', { slots: 3 }));
    story.apply(driver.submitCommand([{}, {}, {}, { delayMs: 9_000 }, {}]));
    story.apply({ type: 'cancel', namespace: 'default', numbers: [1, 2, 3, 4, 5, 6] });
    story.say('Asking again changes nothing.');
    story.apply({ type: 'cancel', namespace: 'default', numbers: [1, 4] });
    story.say('The first heeds the signal, the second is done before it notices, the third does neither.');
    story.apply(complete(story, 1, RETURNED), complete(story, 2, DONE));
    story.pass(29_999);
    story.pass(1);
    story.task(1).task(2).task(3).history(3).workers();
    await story.matches('cancel');
  });

  test('a lost worker', async () => {
    const story = new Story('A worker goes away, comes back, goes away again and is lost');
    const { driver } = story;
    driver.pass(15_000);
    story.apply(driver.attachCommand('w1', { slots: 2 }));
    story.apply(driver.submitCommand([{ text: 'a' }, { text: 'b' }, { text: 'c' }]));
    story.say('It keeps what it runs when it is back in time.');
    const held = [driver.held(1), driver.held(2)];
    story.apply({ type: 'workerAway', worker: 'w1', instance: 'w1-1' });
    story.apply(driver.attachCommand('w1', { slots: 2, held }));
    story.say('The assignment of 2 never arrived, says the worker: no crash, and it stands before those that wait.');
    story.apply({ type: 'workerAway', worker: 'w1', instance: 'w1-1' });
    story.apply(driver.attachCommand('w1', { slots: 2, held: held.slice(0, 1) }));
    story.say('Declared lost: crashes, ready at once, in the order in which they had been placed.');
    story.apply(driver.attachCommand('w2', { slots: 1 }));
    story.apply({ type: 'workerAway', worker: 'w1', instance: 'w1-1' });
    story.apply(lost('w1'));
    story.task(1).task(2).task(3).workers();
    story.say('It was not dead after all. What it holds is no longer its own, and takes slots until it lets go.');
    story.apply(driver.attachCommand('w1', { slots: 2, held }));
    story.workers();
    story.apply(complete(story, 1, DONE, held[0]!.fencingToken));
    story.workers();
    await story.matches('lost-worker');
  });

  test('a worker restarts, and two claim one id', async () => {
    const story = new Story('One worker id, two processes');
    const { driver } = story;
    story.apply(driver.attachCommand('w1', { slots: 2 }));
    story.apply(driver.submitCommand([{ text: 'a' }, { text: 'b' }]));
    story.say('While the first lives the second is refused. Once it is away, the second ends what it ran.');
    story.apply(driver.attachCommand('w1', { instance: 'w1-2' }));
    story.apply({ type: 'workerAway', worker: 'w1', instance: 'w1-1' });
    story.apply(driver.attachCommand('w1', { instance: 'w1-2' }));
    story.task(1).task(2).history(1).workers();
    story.say('News of the old process is of no interest.');
    story.apply({ type: 'workerAway', worker: 'w1', instance: 'w1-1' }, complete(story, 2, DONE, 2));
    await story.matches('two-instances');
  });

  test('a new leader', async () => {
    const story = new Story('A new term: workers attach anew, and nothing is taken from them for one lease');
    const { driver } = story;
    driver.pass(15_000);
    story.apply(driver.attachCommand('w1'), driver.attachCommand('w2'), driver.attachCommand('w3'));
    const timeouts = { runMs: 2_000, queueMs: 0, totalMs: 0 };
    const templates = [template({ timeouts }), template()];
    story.apply(driver.submitCommand([{ text: 'a' }, { text: 'b' }, { text: 'c', template: 1 }], templates));
    const done = driver.held(2);
    story.say('The leader dies. w2 had its answer on the way; w3 died with the leader.');
    story.apply({ type: 'termStarted', term: 2 });
    story.apply(driver.submitCommand([{ text: 'd' }]));
    story.apply(driver.attachCommand('w1', { held: [driver.held(1)] }));
    story.apply(driver.attachCommand('w2', { unanswered: [done] }));
    story.apply(complete(story, 2, DONE, done.fencingToken, 'w2'));
    story.say(
      'The attempt of 1 is over its time, but no timer takes a task before the lease is over. Nor does a verdict.',
    );
    story.pass(14_000);
    story.apply(lost('w3'));
    story.say('Then the timer fires, and w3 is lost. Nobody can tell when it ended, so 3 has no crash to its name.');
    story.pass(1_000);
    story.apply(lost('w3'));
    story.task(1).task(2).task(3).history(3);
    story.say('A worker that attaches once more with an answer that was counted is told so.');
    story.apply({ type: 'workerAway', worker: 'w2', instance: 'w2-1' });
    story.apply(driver.attachCommand('w2', { held: [driver.held(4)], unanswered: [done] }));
    await story.matches('new-leader');
  });

  test('poison', async () => {
    const story = new Story('Poison: the third crash within an hour, alone among suspects');
    const { driver } = story;
    driver.pass(15_000);
    story.say('Two tasks crash together twice. One of them kills its worker, the other is a bystander.');
    for (const worker of ['w1', 'w2']) {
      story.apply(driver.attachCommand(worker, { slots: 3 }));
      if (worker === 'w1') story.apply(driver.submitCommand([{ text: 'bad' }, { text: 'good' }]));
      story.apply(lost(worker));
    }
    story.say('Now both are suspects: the next worker gets one of them, beside one that is not suspected.');
    story.apply(driver.attachCommand('w3', { slots: 3 }));
    story.apply(driver.submitCommand([{ text: 'fresh' }]));
    story.workers();
    story.apply(lost('w3'));
    story.task(1).history(1).task(2).task(3);
    story.say('The bystander was spared and runs on.');
    story.apply(driver.attachCommand('w4', { slots: 3 }));
    story.apply(complete(story, 2, DONE, undefined, 'w4'));
    story.task(2);
    await story.matches('poison');
  });

  test('drain', async () => {
    const story = new Story('Drain of a worker');
    const { driver } = story;
    driver.pass(15_000);
    story.apply(driver.attachCommand('w1', { slots: 2 }));
    story.apply(driver.submitCommand([{}, {}, {}]));
    story.apply({ type: 'drainWorker', worker: 'w1', deadlineMs: driver.nowMs + 5_000 });
    story.say('It finishes, and takes nothing new. At the deadline the rest is handed back.');
    story.apply(complete(story, 1, DONE));
    story.workers();
    story.pass(5_000);
    story.task(2).history(2).workers();
    story.say('It may resume; the slot of 2 is free when its handler has returned. Or it leaves.');
    story.apply({ type: 'resumeWorker', worker: 'w1' });
    story.apply(complete(story, 2, RETURNED, 2));
    story.apply({ type: 'workerLeft', worker: 'w1', instance: 'w1-1' });
    story.workers().task(2).task(3);
    await story.matches('drain');
  });

  test('sessions', async () => {
    const story = new Story('A submission that is sent again is answered again and done once', { answersMax: 3 });
    const { driver } = story;
    const first = driver.submitCommand([{ text: 'a' }, { text: 'b' }]);
    story.apply(first);
    story.apply(first, { ...first, session: 'other' });
    story.say('A refusal is an answer too.');
    const refused = driver.submitCommand([{ template: 4 }]);
    story.apply(refused, refused);
    story.say('Answers that the client has, or that are too many, are forgotten. Nothing is executed again.');
    story.apply({ ...driver.submitCommand([{}]), answeredBelow: 2 }, first);
    for (let more = 0; more < 3; more += 1) story.apply(driver.submitCommand([{}]));
    story.apply(refused);
    story.say('Nor after the end of the session.');
    story.apply({ type: 'endSession', session: 's' }, driver.submitCommand([{}]));
    await story.matches('sessions');
  });

  test('keys', async () => {
    const story = new Story('Keys: one task for one key, until a day after its end', { keysMax: 3 });
    const { driver } = story;
    story.apply(driver.attachCommand('w1'));
    const untimed = [template({ timeouts: { runMs: 0, queueMs: 0, totalMs: 0 } })];
    story.apply(driver.submitCommand([{ text: 'a', key: 'k' }], untimed));
    story.say('Equal content gets the first task, other content is refused, all or nothing.');
    story.apply(driver.submitCommand([{ text: 'b' }, { text: 'a', key: 'k', delayMs: 500 }], untimed));
    story.apply(driver.submitCommand([{ text: 'c' }, { text: 'other', key: 'k' }]));
    story.say('Twice in one submission.');
    story.apply(driver.submitCommand([{ text: 'x', key: 'twice' }, { text: 'x', key: 'twice' }, { text: 'x' }]));
    story.apply(
      driver.submitCommand([
        { text: 'x', key: 'new' },
        { text: 'y', key: 'new' },
      ]),
    );
    story.say('Every key of the namespace is taken.');
    story.apply(driver.submitCommand([{ text: 'd', key: 'third' }]));
    story.apply(driver.submitCommand([{ text: 'd', key: 'fourth' }]));
    story.say('The key outlives its task by a day.');
    story.apply(complete(story, 1, DONE));
    story.pass(24 * 3_600_000 - 1);
    story.apply(driver.submitCommand([{ text: 'a', key: 'k' }]));
    story.pass(1);
    story.apply(driver.submitCommand([{ text: 'other', key: 'k' }]));
    await story.matches('keys');
  });

  test('bounded work', async () => {
    const story = new Story('Nothing does unbounded work: five moves an entry, the rest with later ones', {
      movesMax: 5,
    });
    const { driver } = story;
    driver.pass(15_000);
    story.apply(driver.attachCommand('w1', { slots: 12 }));
    story.say('Twelve are due at once.');
    story.apply(driver.submitCommand(Array.from({ length: 12 }, () => ({ delayMs: 1_000 }))));
    driver.nowMs += 1_000;
    while (story.apply({ type: 'tick' }).assigned.length > 0)
      story.line(driver.scheduler.openCursors ? 'more is open' : 'all done');
    story.say('Their worker is lost.');
    story.apply(lost('w1'));
    for (let more = 0; driver.scheduler.openCursors; more += 1) {
      story.line(`${driver.scheduler.counters().running} are still to be taken from it`).apply({ type: 'tick' });
    }
    story.line(`${driver.scheduler.counters().pending} are ready again`);
    await story.matches('bounded-work');
  });

  test('snooze, hand-back and checkpoints', async () => {
    const story = new Story('A handler may ask to be started later, and begins from its last checkpoint');
    const { driver } = story;
    story.apply(driver.attachCommand('w1'));
    story.apply(driver.submitCommand([{ text: 'a' }]));
    story.apply({ type: 'saveCheckpoint', ...driver.held(1), checkpoint: blob('row 500') });
    story.apply({ type: 'saveCheckpoint', number: 1, fencingToken: 9, checkpoint: blob('row 9') });
    story.apply(complete(story, 1, { type: 'snoozed', delayMs: 2_000 }));
    story.pass(2_000);
    story.line(`begins from "${Buffer.from(driver.scheduler.assignment(1)!.lastCheckpoint!.bytes).toString()}"`);
    story.apply(complete(story, 1, RETURNED));
    story.task(1).history(1);
    await story.matches('snooze');
  });
});
