import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { endingOf } from '../../src/cli/exit.ts';
import { makeProgram } from '../../src/cli/program.ts';

const HISTORIES = path.join(import.meta.dirname, 'histories');
const directory = mkdtempSync(path.join(tmpdir(), 'taskraft-history-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly notes: string;
  readonly message: string;
}

/** Runs the command as a shell would. */
async function checkHistory(...args: readonly string[]): Promise<Ended> {
  let out = '';
  let notes = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => (out += String(text)) !== '');
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => (notes += String(text)) !== '');
  try {
    await makeProgram().parseAsync(['node', 'taskraft', 'sim', 'check-history', ...args]);
    return { status: Number(process.exitCode ?? 0), out, notes, message: '' };
  } catch (error) {
    const { exitCode, message } = endingOf(error);
    return { status: exitCode, out, notes, message };
  } finally {
    process.exitCode = undefined;
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

/** The same on a file with this text, which is called F in what is said. */
async function checkText(text: string | Uint8Array, model: string = 'register'): Promise<Ended> {
  const file = path.join(directory, 'history');
  writeFileSync(file, text);
  const ended = await checkHistory(file, '--model', model);
  const named = (said: string): string => said.replaceAll(file, 'F');
  return { ...ended, notes: named(ended.notes), message: named(ended.message) };
}

/** Names of files begin with the model and the verdict that is due. */
const STORIES = readdirSync(HISTORIES).filter((name) => !name.endsWith('.txt'));

describe('histories that tell why', () => {
  test.each(STORIES)('%s', async (name) => {
    const [model = '', verdict = ''] = name.split('-');
    const { status, out, notes, message } = await checkHistory(path.join(HISTORIES, name), '--model', model);
    expect(status).toBe({ yes: 0, no: 1 }[verdict]);
    const said = [out, notes, message].filter((text) => text !== '').join('\n');
    const history = readFileSync(path.join(HISTORIES, name), 'utf8');
    const told = `${history.trimEnd()}\n\n$ taskraft sim check-history ${name} --model ${model}; echo $?\n${said}${status}\n`;
    await expect(told.replaceAll(`${HISTORIES}/`, '')).toMatchFileSnapshot(path.join(HISTORIES, `${name}.txt`));
  });
});

/** A line of Jepsen's log. */
function log(process: number, type: string, f: string, value: string): string {
  return `INFO  jepsen.util - ${process}\t:${type}\t:${f}\t${value}\n`;
}

const WRITE_1 = log(0, 'invoke', 'write', '1') + log(0, 'ok', 'write', '1');
const READ_1 = log(1, 'invoke', 'read', 'nil') + log(1, 'ok', 'read', '1');
const READ_2 = log(1, 'invoke', 'read', 'nil') + log(1, 'ok', 'read', '2');

describe('ways in which logs differ', () => {
  test.each<[string, string, 0 | 1]>([
    [
      'a read of nothing before the first write',
      log(0, 'invoke', 'read', 'nil') + log(0, 'ok', 'read', 'nil') + WRITE_1,
      0,
    ],
    ['a read of nothing after it', WRITE_1 + log(0, 'invoke', 'read', 'nil') + log(0, 'ok', 'read', 'nil'), 1],
    ['an operation that never returns', log(0, 'invoke', 'write', '1') + READ_1, 0],
    [
      'one that times out, and is seen later',
      log(0, 'invoke', 'write', '1') + log(0, 'info', 'write', ':timed-out') + READ_1,
      0,
    ],
    [
      'one that times out, and is never seen',
      WRITE_1 + log(5, 'invoke', 'write', '2') + log(5, 'info', 'write', ':timed-out') + READ_1 + READ_1,
      0,
    ],
    [
      'one that times out, is seen, and then undone',
      WRITE_1 + log(5, 'invoke', 'write', '2') + log(5, 'info', 'write', ':timed-out') + READ_2 + READ_1,
      1,
    ],
    [
      'one that failed, and is seen',
      WRITE_1 + log(5, 'invoke', 'write', '2') + log(5, 'fail', 'write', '2') + READ_2,
      1,
    ],
    [
      'a read that failed',
      WRITE_1 + log(5, 'invoke', 'read', 'nil') + log(5, 'fail', 'read', ':timed-out') + READ_1,
      0,
    ],
    [
      'a cas that found another value',
      WRITE_1 + log(5, 'invoke', 'cas', '[2 3]') + log(5, 'fail', 'cas', '[2 3]') + READ_1,
      0,
    ],
    [
      'a cas that should have found its value',
      WRITE_1 + log(5, 'invoke', 'cas', '[1 3]') + log(5, 'fail', 'cas', '[1 3]') + READ_1,
      1,
    ],
    [
      'a cas that failed for another reason',
      WRITE_1 + log(5, 'invoke', 'cas', '[1 3]') + log(5, 'fail', 'cas', ':no-leader') + READ_1,
      0,
    ],
    [
      'a cas that failed with values and a reason',
      WRITE_1 + log(5, 'invoke', 'cas', '[1 3]') + log(5, 'fail', 'cas', '[1 3]\t:no-leader') + READ_1,
      0,
    ],
    [
      'a cas that could not have been set',
      WRITE_1 + log(5, 'invoke', 'cas', '[2 3]') + log(5, 'ok', 'cas', '[2 3]'),
      1,
    ],
    [
      'a process that is used again after it timed out',
      log(0, 'invoke', 'write', '1') +
        log(0, 'info', 'write', ':timed-out') +
        log(0, 'invoke', 'write', '2') +
        log(0, 'ok', 'write', '2') +
        READ_1,
      0,
    ],
    [
      'the nemesis and other loggers',
      `INFO  jepsen.core - starting\n${WRITE_1}INFO  jepsen.util - :nemesis\t:info\t:start\tnil\nINFO  jepsen.util - :nemesis\t:info\t:start\t"Cut off {:n1 #{:n2}}"\nWARN  jepsen.core - Process 3 indeterminate\njava.net.SocketTimeoutException: Read timed out\n\tat java.net.Some(Some.java:1)\n${READ_1}`,
      0,
    ],
    [
      'times and threads in front',
      `2016-11-02 16:58:02,123{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:invoke\t:write\t1\n2016-11-02 16:58:02,223{GMT}\tINFO\t[jepsen node n1] jepsen.db: up\n2016-11-02 16:58:03,000{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:invoke\t:read\tnil\n2016-11-02 16:58:04,000{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:ok\t:read\t2\n`,
      1,
    ],
    [
      'no head, as in history.txt',
      '0\t:invoke\t:write\t1\n:nemesis\t:info\t:start\tnil\n0\t:ok\t:write\t1\n1 :invoke :read nil\n1 :ok :read 2\n',
      1,
    ],
    ['lines that end with CR LF', `${WRITE_1}${READ_2}`.replaceAll('\n', '\r\n'), 1],
    ['no end of the last line', `${WRITE_1}${READ_2}`.trimEnd(), 1],
    ['empty lines and a mark of the byte order', `\uFEFF\n${WRITE_1}\n\n${READ_1}\n`, 0],
    [
      'values that are negative or words',
      log(0, 'invoke', 'write', '-3') +
        log(0, 'ok', 'write', '-3') +
        log(0, 'invoke', 'cas', '[-3 "a b"]') +
        log(0, 'ok', 'cas', '[-3 "a b"]') +
        log(0, 'invoke', 'read', 'nil') +
        log(0, 'ok', 'read', '"a b"'),
      0,
    ],
    [
      'several registers as tuples',
      log(0, 'invoke', 'write', '[7 1]') +
        log(0, 'ok', 'write', '[7 1]') +
        log(0, 'invoke', 'read', '[8 nil]') +
        log(0, 'ok', 'read', '[8 nil]') +
        log(0, 'invoke', 'cas', '[7 [1 2]]') +
        log(0, 'ok', 'cas', '[7 [1 2]]'),
      0,
    ],
    [
      'one register of several that is wrong',
      log(0, 'invoke', 'write', '[7 1]') +
        log(0, 'ok', 'write', '[7 1]') +
        log(0, 'invoke', 'read', '[7 nil]') +
        log(0, 'ok', 'read', '[7 nil]'),
      1,
    ],
  ])('log: %s', async (_, text, status) => {
    expect(await checkText(text)).toMatchObject({ status, message: '', notes: '' });
  });

  const EDN_WRITE = '{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n';
  const EDN_READ_2 =
    '{:process 1 :type :invoke :f :read :value nil} {:type :ok, :f :read, :value 2, :process 1, :time 33}';
  test.each<[string, string, 0 | 1]>([
    ['maps', EDN_WRITE + EDN_READ_2, 1],
    ['a vector of maps', `[${EDN_WRITE}\n ${EDN_READ_2}]\n`, 1],
    [
      'comments, discards, tags and sets',
      `; a run\n${EDN_WRITE} #_ {:ignored [1 2} 3]} #jepsen.history.Op{:process 1, :type :invoke, :f :read, :value nil}`.replace(
        '[1 2} 3]',
        '[1 2 3]',
      ),
      0,
    ],
    [
      'the nemesis',
      `${EDN_WRITE}{:process :nemesis, :type :info, :f :start, :value {:n1 #{"a" \\b}, :at #inst "2016"}}\n`,
      0,
    ],
    [
      'names that nobody knows, and an error',
      `${EDN_WRITE}{:process 1, :type :invoke, :f :cas, :value [1 2], :index 4}{:process 1, :type :fail, :f :cas, :value [1 2], :error [:did-not-succeed "x\\n\\u0041"]}`,
      0,
    ],
    [
      'a cas that failed, of which nothing is known',
      `${EDN_WRITE}{:process 1, :type :invoke, :f :cas, :value [1 2]}{:process 1, :type :fail, :f :cas, :value [1 2]}`,
      0,
    ],
  ])('EDN: %s', async (_, text, status) => {
    expect(await checkText(text)).toMatchObject({ status, message: '', notes: '' });
  });

  test.each<[string, string, string, string]>([
    [
      'a line of a log within its head',
      `${WRITE_1}${READ_1}INFO  jep`,
      'linearizable: 2 operations\n',
      'line 5 is cut off',
    ],
    [
      'a line of a log within its type',
      `${WRITE_1}INFO  jepsen.util - 3\t:inv`,
      'linearizable: 1 operation\n',
      'line 3 is cut off',
    ],
    [
      'a line of a log within the name of its operation',
      `${WRITE_1}INFO  jepsen.util - 3\t:invoke\t:wri`,
      'linearizable: 1 operation\n',
      'line 3 is cut off',
    ],
    [
      'a line of a log behind that name',
      `${WRITE_1}INFO  jepsen.util - 1\t:invoke\t:read\tnil\nINFO  jepsen.util - 3\t:invoke\t:cas\t`,
      'linearizable: 2 operations\n',
      'line 4 is cut off',
    ],
    [
      'a line of a log within its value',
      `${WRITE_1}INFO  jepsen.util - 3\t:invoke\t:cas\t[3`,
      'linearizable: 1 operation\n',
      'line 3 is cut off',
    ],
    [
      'a line of a log with a time',
      '2016-11-02 16:58:02,123 INFO jepsen.util - 0 :invoke :write 1\n2016-11-02 16:5',
      'linearizable: 1 operation\n',
      'line 2 is cut off',
    ],
    [
      'a map of EDN',
      '{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :ty',
      'linearizable: 1 operation\n',
      'line 2 is cut off',
    ],
    [
      'a vector of EDN',
      '[{:process 0, :type :invoke, :f :write, :value 1}\n',
      'linearizable: 1 operation\n',
      '"]" is missing',
    ],
    [
      'a line of JSON',
      '{"process":0,"type":"invoke","f":"write","value":1}\n{"process":0,"ty',
      'linearizable: 1 operation\n',
      'line 2 is cut off',
    ],
  ])('%s that was cut off at the end is left out, and that is said', async (_, text, out, note) => {
    const ended = await checkText(text);
    expect(ended).toMatchObject({ status: 0, out, message: '' });
    expect(ended.notes).toContain(`note: F: ${note}`);
  });
});

describe('what cannot be read is told of with its place, and is no verdict', () => {
  test.each<[string, string]>([
    ['', 'F has no operation in it: there is nothing to check'],
    ['\n\n', 'F has no operation in it: there is nothing to check'],
    ['INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n', 'F has no operation in it: there is nothing to check'],
    ['hello world\n', 'F:1:1: "hello" is not the number of a process'],
    [`${WRITE_1}hello world`, 'F:3:1: "hello" is not the number of a process'],
    [`${WRITE_1}INFO  jep\n`, 'F:3:1: "INFO" is not the number of a process'],
    [`${WRITE_1}INFO  jepsen.util - x :ok :read 1\n`, 'F:3:21: "x" is not the number of a process'],
    [`${WRITE_1}INFO  jepsen.util - 1\t:okay\t:read\t1\n`, 'F:3:23: ":okay" is not one of :invoke, :ok, :fail, :info'],
    [`${WRITE_1}INFO  jepsen.util - 1\t:invoke\tread\t1\n`, 'F:3:31: "read" is not the name of an operation, as :read'],
    [`${WRITE_1}INFO  jepsen.util - 1\t:invoke\n`, 'F:3:30: the line ends where the name of an operation is needed'],
    [`${WRITE_1}${log(1, 'invoke', 'cas', '[1')}`, 'F:3:36: "[" has no "]" before the end'],
    [`${WRITE_1}${log(1, 'invoke', 'cas', '[1 2] 3 4')}`, 'F:3:44: a line ends behind the value and the error'],
    [`${WRITE_1}${log(1, 'invoke', 'cas', '1')}`, 'F:3:21: cas takes two values, [from to], and not 1'],
    [`${WRITE_1}${log(1, 'invoke', 'push', '1')}`, 'F:3:21: a register knows read, write and cas, and not push'],
    [`${WRITE_1}${log(1, 'invoke', 'write', '{:a 1}')}`, 'F:3:21: a register holds a single value, and not {":a":1}'],
    [`${WRITE_1}${log(1, 'ok', 'read', '1')}`, 'F:3:21: process 1 has no operation open that could end'],
    [`${log(0, 'invoke', 'write', '1')}${WRITE_1}`, 'F:2:21: process 0 calls while its write of line 1 is open'],
    [
      `${log(0, 'invoke', 'write', '1')}${log(0, 'ok', 'read', '1')}`,
      'F:2:21: process 0 called write in line 1, and this ends read',
    ],
    [
      `${log(0, 'invoke', 'write', '1')}${log(0, 'ok', 'write', '2')}`,
      'F:2:21: 2 is not what the call of this process had',
    ],
    ['[1 2]', 'F:1:2: an event is a map with :process, :type, :f and :value'],
    ['{:process 0}', 'F:1:1: the event has no :type that is :invoke, :ok, :fail or :info'],
    ['{:process 0,\n :type :ok, :f }', 'F:1:1: a map has a value for each of its keys; here one has none'],
    ['{:process 0, :type :invoke,\n :f "}', 'F:2:5: the text has no closing quote before the end'],
    ['{:process 0} }', 'F:1:1: the event has no :type that is :invoke, :ok, :fail or :info'],
    ['[{:process 0 :type :invoke :f :read}] x', 'F:1:39: the history ends with its vector; something follows it'],
    ['['.repeat(200), 'F:1:67: nothing is nested deeper than 64'],
    ['{"process":0,"type":"invoke","f":"read"}\n{"process":0,}\n', 'F:2:14: the line is no object of JSON'],
    ['{"process":0,"type":"invoke","f":"read"}\n7\n', 'F:2:1: an event is an object with process, type, f and value'],
    [
      '{"process":0,"type":"invoke","f":"read","keyy":"a"}\n',
      'F:1:1: "keyy" is no name of an event; there are process, type, f, key, value, time, index, error',
    ],
    ['{"process":0.5,"type":"invoke","f":"read"}', 'F:1:1: "process" is a whole number or a text'],
    ['{"process":0,"type":"call","f":"read"}', 'F:1:1: "type" is one of invoke, ok, fail, info'],
    ['{"process":0,"type":"invoke"}', 'F:1:1: "f" is the name of an operation'],
    ['{"process":0,"type":"invoke","f":"read","key":1}', 'F:1:1: "key" is a text'],
  ])('%j', async (text, message) => {
    expect(await checkText(text)).toMatchObject({ status: 2, message, out: '' });
  });

  test('bytes that are no text', async () => {
    const bytes = new Uint8Array([...Buffer.from(WRITE_1), 0xff, 0xfe, 10]);
    expect(await checkText(bytes)).toMatchObject({ status: 2, message: 'F:3:1: the line is no text in UTF-8' });
    const late = Buffer.concat([Buffer.from(WRITE_1.repeat(10_000)), bytes]);
    expect(await checkText(late), 'each line is looked at once').toMatchObject({
      status: 2,
      message: 'F:20003:1: the line is no text in UTF-8',
    });
  });

  test.each<[string, string]>([
    ['{"process":0,"type":"invoke","f":"get"}', 'F:1:1: an operation on a task has its key'],
    [
      '{"process":0,"type":"invoke","f":"read","key":"a"}',
      'F:1:1: a task knows submit, get, cancel and complete, and not read',
    ],
    [
      '{"process":0,"type":"invoke","f":"complete","key":"a","value":{"state":"lost"}}',
      'F:1:1: an attempt ends as done or failed, and not as "lost"',
    ],
    ['{"process":0,"type":"invoke","f":"complete","key":"a"}', 'F:1:1: names and values are needed, and not null'],
    [
      '{"process":0,"type":"invoke","f":"get","key":"a"}\n{"process":0,"type":"ok","f":"get","value":{"state":"gone"}}',
      'F:2:1: a task is scheduled, blocked, pending, running, retrying, done, failed, cancelled, and not "gone"',
    ],
    [
      '{"process":0,"type":"invoke","f":"get","key":"a"}\n{"process":0,"type":"ok","f":"get","value":{"state":"done","id":1}}',
      'F:2:1: the id of a task is a text',
    ],
    [
      '{"process":0,"type":"invoke","f":"submit","key":"a"}\n{"process":0,"type":"ok","f":"submit","value":{}}',
      'F:2:1: submit answers {"id": text, "deduplicated": true or false}',
    ],
  ])('for a task: %j', async (text, message) => {
    expect(await checkText(text, 'task')).toMatchObject({ status: 2, message, out: '' });
  });

  test('a file that is not there, a directory, a model that is missing', async () => {
    expect(await checkHistory('/no/such/file', '--model', 'register')).toMatchObject({
      status: 2,
      message: 'cannot read /no/such/file: ENOENT',
    });
    expect(await checkHistory(directory, '--model', 'register')).toMatchObject({
      status: 2,
      message: `cannot read ${directory}: EISDIR`,
    });
    expect(await checkHistory('f')).toMatchObject({
      status: 2,
      message: "required option '--model <model>' not specified",
    });
  });

  test('a search that is not allowed to go on', async () => {
    const file = path.join(directory, 'history');
    writeFileSync(
      file,
      [0, 1, 2].map((at) => log(at, 'invoke', 'write', String(at))).join('') +
        log(0, 'ok', 'write', '0') +
        log(2, 'ok', 'write', '2') +
        log(7, 'invoke', 'read', 'nil') +
        log(7, 'ok', 'read', '2'),
    );
    expect(await checkHistory(file, '--model', 'register', '--configurations', '1')).toMatchObject({
      status: 2,
      message: expect.stringContaining('undecided'),
      out: '',
    });
  });
});

test('for programs there is JSON', async () => {
  const file = path.join(directory, 'history');
  writeFileSync(file, WRITE_1 + READ_2);
  const { status, out } = await checkHistory(file, '--model', 'register', '-o', 'json');
  expect(status).toBe(1);
  expect(JSON.parse(out)).toEqual({
    verdict: 'not-linearizable',
    model: 'register',
    operations: 2,
    keys: 1,
    configurations: expect.any(Number),
    notes: [],
    refutation: {
      key: '',
      misfit: { process: '1', operation: 'read -> 2', callLine: 3, returnLine: 4 },
      possibleStates: ['1'],
      orderBefore: [{ process: '0', operation: 'write 1', callLine: 1, returnLine: 2 }],
    },
  });
});
