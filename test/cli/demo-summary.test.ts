import { expect, test } from 'vitest';
import { type DemoFacts, judge } from '../../src/cli/demo/summary.ts';

const PEERS = ['p1', 'p2', 'p3'];
const TASKS = ['a', 'b', 'c'];

/** A line of a record file. */
function line(record: Readonly<Record<string, string | number>>): string {
  return `${JSON.stringify(record)}\n`;
}

/** What one worker writes about a task that it starts, reports and gets accepted. */
function attempt(id: string, token: number, term: number, atMs: number): string {
  return (
    line({ event: 'start', id, token, term, atMs }) +
    line({ event: 'report', id, token, outcome: 'done', atMs: atMs + 1 }) +
    line({ event: 'answer', id, token, answer: 'ok', atMs: atMs + 2 })
  );
}

function sumsOf(id: string): DemoFacts['expected'] {
  return [{ path: `dir/${id}`, sizeBytes: 3, sha256: `${id}${id}${id}` }];
}

/** A tour on which all went well: `a` before the kill at 1,000 ms in term 4, `b` and `c` after it. */
function goodFacts(): DemoFacts {
  return {
    tasks: 3,
    clientFile: TASKS.map((id, at) => line({ event: 'acknowledged', id, atMs: 900 + at })).join(''),
    workerFiles: [attempt('a', 1, 4, 950) + attempt('c', 3, 5, 1_200), attempt('b', 2, 5, 1_150.26)],
    beganAtMs: 702,
    kill: { atMs: 1_000, term: 4 },
    readBack: TASKS.map((id) => ({ id, state: 'done', sums: sumsOf(id) })),
    peers: PEERS,
    digests: PEERS.map((peer) => ({ peer, index: 80, digest: 'd1' })),
    endIndex: 77,
    expected: TASKS.flatMap(sumsOf),
  };
}

/** The verdict on the good tour with something tampered with. */
function judged(tampered: Partial<DemoFacts> = {}): ReturnType<typeof judge> {
  return judge({ ...goodFacts(), ...tampered });
}

/** The worker files of the good tour, each as `change` leaves it. */
function workerFiles(change: (text: string) => string): Partial<DemoFacts> {
  return { workerFiles: goodFacts().workerFiles.map(change) };
}

function withoutLines(text: string, words: string): string {
  return text
    .split('\n')
    .filter((one) => !one.includes(words))
    .join('\n');
}

test('a good tour is told as it was, with exit status 0', () => {
  expect(judged()).toEqual({
    summary: {
      tasks: 3,
      done: 3,
      lost: 0,
      doubled: 0,
      failoverMs: 150.3,
      lifecyclesPerSecond: 6,
      digestsEqual: true,
      manifestOk: true,
    },
    problems: [],
    exitCode: 0,
  });
});

test('a task that was acknowledged and is not there any more is lost', () => {
  const verdict = judged({ readBack: goodFacts().readBack.filter((task) => task.id !== 'b') });
  expect(verdict.summary).toMatchObject({ done: 2, lost: 1, manifestOk: false });
  expect(verdict.exitCode).toBe(1);
});

test('a task that was acknowledged and failed is lost', () => {
  const readBack = goodFacts().readBack.map((task) => (task.id === 'c' ? { ...task, state: 'failed' } : task));
  expect(judged({ readBack })).toMatchObject({ summary: { done: 2, lost: 1 }, exitCode: 1 });
});

test('a task that reads back as done but that no worker has started is lost', () => {
  const verdict = judged(workerFiles((text) => withoutLines(text, '"event":"start","id":"a"')));
  expect(verdict).toMatchObject({ summary: { done: 3, lost: 1 }, exitCode: 1 });
  expect(verdict.problems).toEqual(['1 acknowledged tasks are lost']);
});

test('an acknowledgement of an id that the cluster does not know is a loss', () => {
  const clientFile = `${goodFacts().clientFile}${line({ event: 'acknowledged', id: 'x', atMs: 950 })}`;
  expect(judged({ clientFile })).toMatchObject({ summary: { done: 3, lost: 1 }, exitCode: 1 });
});

test('a task that was never acknowledged is missing among those done', () => {
  const clientFile = withoutLines(goodFacts().clientFile, '"id":"a"');
  expect(judged({ clientFile })).toMatchObject({ summary: { tasks: 3, done: 2, lost: 0 }, exitCode: 1 });
});

test('a second accepted completion counts double, by the same worker or by another', () => {
  const again = line({ event: 'answer', id: 'a', token: 9, answer: 'ok', atMs: 1_300 });
  const [one = '', other = ''] = goodFacts().workerFiles;
  for (const files of [
    [one + again, other],
    [one, other + again],
  ]) {
    expect(judged({ workerFiles: files })).toMatchObject({ summary: { doubled: 1 }, exitCode: 1 });
  }
});

test('completions that were refused do not count', () => {
  const [one = '', other = ''] = goodFacts().workerFiles;
  const refused = ['STALE_LEASE', 'ALREADY_FINAL'].map((answer) =>
    line({ event: 'answer', id: 'a', token: 9, answer, atMs: 1_300 }),
  );
  expect(judged({ workerFiles: [one + refused.join(''), other] })).toMatchObject({
    summary: { doubled: 0 },
    exitCode: 0,
  });
});

test('without a start under a later leader there was no failover', () => {
  const verdict = judged(workerFiles((text) => text.replaceAll('"term":5', '"term":4')));
  expect(verdict).toMatchObject({ summary: { failoverMs: null }, exitCode: 1 });
});

test('starts of the killed leader that come late do not end the failover', () => {
  const late = line({ event: 'start', id: 'c', token: 3, term: 4, atMs: 1_001 });
  const [one = '', other = ''] = goodFacts().workerFiles;
  expect(judged({ workerFiles: [late + one, other] }).summary.failoverMs).toBe(150.3);
});

test('without an accepted completion there is no rate', () => {
  const verdict = judged(workerFiles((text) => withoutLines(text, '"answer":"ok"')));
  expect(verdict).toMatchObject({ summary: { lifecyclesPerSecond: 0 }, exitCode: 1 });
});

test('one other digest, another index, a missing peer, or an index before the end are not equal digests', () => {
  const { digests } = goodFacts();
  const tampered = [
    digests.map((one) => (one.peer === 'p2' ? { ...one, digest: 'd2' } : one)),
    digests.map((one) => (one.peer === 'p2' ? { ...one, index: 81 } : one)),
    digests.filter((one) => one.peer !== 'p3'),
    digests.map((one) => ({ ...one, index: 70 })),
    [],
  ];
  for (const some of tampered) {
    expect(judged({ digests: some })).toMatchObject({ summary: { digestsEqual: false }, exitCode: 1 });
  }
});

test('a wrong checksum, a wrong size, a missing or an added file spoil the manifest', () => {
  const { expected } = goodFacts();
  const [first, ...rest] = expected;
  if (first === undefined) throw new Error('there is a first file');
  const tampered = [
    [{ ...first, sha256: 'bbb' }, ...rest],
    [{ ...first, sizeBytes: 4 }, ...rest],
    rest,
    [...expected, { path: 'dir/z', sizeBytes: 1, sha256: 'z' }],
  ];
  for (const some of tampered) {
    expect(judged({ expected: some })).toMatchObject({ summary: { manifestOk: false }, exitCode: 1 });
  }
});

test('the order in which files were summed does not matter', () => {
  expect(judged({ expected: goodFacts().expected.toReversed() }).summary.manifestOk).toBe(true);
});

test('a file that was cut or overwritten is no record', () => {
  const [one = '', other = ''] = goodFacts().workerFiles;
  expect(() => judged({ workerFiles: [one.slice(0, -10), other] })).toThrow(SyntaxError);
  expect(() => judged({ clientFile: '{"event":"acknowledged"}\n' })).toThrow(SyntaxError);
});
