import { expect, test } from 'vitest';
import { accountFor } from '../../chaos/accounting.ts';
import { describeDistribution, distributionOf } from '../../chaos/distribution.ts';
import { checkHistory, historyLines } from '../../chaos/history.ts';
import type { CallRecord, LoadRecord } from '../../chaos/load/recorder.ts';
import { TAMPERINGS, tampered } from '../../chaos/tamper.ts';

let clockUs = 0;

/** A call that took one microsecond, the next one after all before it. */
function call(f: CallRecord['f'], value: CallRecord['value'], more: Partial<CallRecord> = {}): CallRecord {
  clockUs += 2;
  return {
    record: 'call',
    process: 'c1',
    f,
    key: 'k1',
    calledUs: clockUs,
    returnedUs: clockUs + 1,
    type: 'ok',
    value,
    ...more,
  };
}

/** A task from its submission to its end, seen by all kinds of call. */
function whole(): CallRecord[] {
  return [
    call('submit', { id: 't1', deduplicated: false }),
    call('submit', { id: 't1', deduplicated: true }, { process: 'c2' }),
    call('get', { id: 't1', state: 'open' }),
    call('list', { id: 't1', state: 'open' }, { process: 'c1.list' }),
    call('complete', { id: 't1', token: 7 }, { process: 'w7' }),
    call('result', { id: 't1', state: 'done', token: 7 }),
    call('get', { id: 't1', state: 'done', token: 7 }, { process: 'c2' }),
    call('cancel', { id: 't1', state: 'ALREADY_FINAL' }),
    call('get', { id: 't1', state: 'done', token: 7 }, { process: 'c3' }),
  ];
}

test('what a correct cluster answers is linearizable', () => {
  const lines = historyLines(whole());
  expect(checkHistory(lines)).toEqual({
    verdict: 'linearizable',
    operations: 9,
    unknown: 1,
    tasks: 1,
    key: undefined,
  });
});

test.each(TAMPERINGS)('a history with $name is refused', (tampering) => {
  const copy = tampered(historyLines(whole()), tampering);
  expect(copy).toBeDefined();
  expect(checkHistory(copy ?? [])).toMatchObject({ verdict: 'not-linearizable', key: 'k1' });
});

test('no lie is told where it could be true', () => {
  // Nobody had seen the task done, so that it may well run.
  const calls = [call('submit', { id: 't1', deduplicated: false }), call('get', { id: 't1', state: 'open' })];
  const runsAgain = TAMPERINGS.find(({ name }) => name.includes('runs again'));
  expect(tampered(historyLines(calls), runsAgain ?? TAMPERINGS[0]!)).toBeUndefined();
});

test('a cancel of which nobody heard may explain a task that is cancelled; nothing else does', () => {
  const submit = call('submit', { id: 't1', deduplicated: false });
  const cancel = call('cancel', 'OUTCOME_UNKNOWN', { type: 'info' });
  const seen = call('get', { id: 't1', state: 'cancelled' });
  expect(checkHistory(historyLines([submit, cancel, seen])).verdict).toBe('linearizable');
  expect(checkHistory(historyLines([submit, seen])).verdict).toBe('not-linearizable');
});

test('what was certainly not done is left out', () => {
  const submit = call('submit', 'UNAVAILABLE', { type: 'fail' });
  const other = call('submit', { id: 't1', deduplicated: false }, { process: 'c2' });
  expect(checkHistory(historyLines([submit, other]))).toMatchObject({ verdict: 'linearizable', operations: 1 });
});

const acknowledged = (id: string): LoadRecord => ({ record: 'acknowledged', id, atUs: 1 });
const start = (id: string, token: number): LoadRecord => ({ record: 'start', id, token, term: 1, atUs: 2 });
const answer = (id: string, token: number, outcome = 'done'): LoadRecord => ({
  record: 'answer',
  id,
  token,
  outcome,
  answer: 'ok',
  atUs: 3,
});

test('every acknowledged task is accounted for', () => {
  const records = [acknowledged('t1'), acknowledged('t2'), start('t1', 1), answer('t1', 1), acknowledged('t1')];
  const tasks = [
    { id: 't1', state: 'done', fencingToken: 1 },
    { id: 't2', state: 'cancelled', fencingToken: 0 },
  ];
  expect(accountFor(records, tasks)).toEqual({
    acknowledged: 2,
    done: 1,
    cancelled: 1,
    starts: 1,
    startedAgain: 0,
    lost: [],
    unfinished: [],
    doubled: [],
    contradicted: [],
    tokensTwice: [],
  });
});

test('a task that is gone, one that is not over, and one that was completed twice are named', () => {
  const records = [
    ...['t1', 't2', 't3'].map(acknowledged),
    start('t3', 1),
    start('t3', 2),
    answer('t3', 1),
    answer('t3', 2),
  ];
  const tasks = [
    { id: 't2', state: 'running', fencingToken: 9 },
    { id: 't3', state: 'done', fencingToken: 2 },
  ];
  expect(accountFor(records, tasks)).toMatchObject({
    lost: ['t1'],
    unfinished: ['t2 running'],
    doubled: ['t3: 1, 2'],
    contradicted: ['t3: attempt 1 counted, and it is done by 2'],
    startedAgain: 1,
  });
});

test('a task that nobody started cannot be done, and no token is given twice', () => {
  const records = [acknowledged('t1'), start('t2', 4), start('t3', 4)];
  const tasks = [{ id: 't1', state: 'done', fencingToken: 3 }];
  expect(accountFor(records, tasks)).toMatchObject({
    contradicted: ['t1 is done, and was not started'],
    tokensTwice: ['t3 and t2: token 4'],
  });
});

test('an attempt that failed while it was cancelled is no completion', () => {
  const records = [acknowledged('t1'), start('t1', 1), answer('t1', 1, 'failed')];
  expect(accountFor(records, [{ id: 't1', state: 'cancelled', fencingToken: 1 }])).toMatchObject({
    doubled: [],
    contradicted: [],
  });
});

test('a distribution names times that were measured', () => {
  const times = Array.from({ length: 200 }, (_, at) => 200 - at);
  expect(distributionOf(times)).toEqual({ count: 200, medianMs: 100, p90Ms: 180, p99Ms: 198, maxMs: 200 });
  expect(distributionOf([5])).toEqual({ count: 1, medianMs: 5, p90Ms: 5, p99Ms: 5, maxMs: 5 });
  expect(describeDistribution(distributionOf([]))).toBe('none');
});
