import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { CliError, endingOf, EXIT, required } from '../../src/cli/exit.ts';
import {
  formatAge,
  formatBytes,
  formatFields,
  formatInstant,
  formatTable,
  pairsText,
  print,
  printable,
} from '../../src/cli/output.ts';
import { pair, wholeNumber, words } from '../../src/cli/parse.ts';
import { VERSION } from '../../src/cli/version.ts';
import { TaskraftError } from '../../src/client/errors.ts';
import { ERROR_CODES, type ErrorCode } from '../../src/protocol/error-code.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { SecretError } from '../../src/system/secrets.ts';

test('columns line up, numbers to the right, and nothing trails', () => {
  const table = formatTable(
    [
      { title: 'NAME', of: (one: { name: string; count?: number }) => one.name },
      { title: 'COUNT', of: (one) => one.count, align: 'right' },
      { title: 'NOTE', of: () => '' },
    ],
    [{ name: 'a', count: 7 }, { name: 'longer' }],
  );
  expect(table).toBe('NAME    COUNT  NOTE\na           7\nlonger      -\n');
});

test('a table of nothing has its titles', () => {
  expect(formatTable([{ title: 'ID', of: (one: string) => one }], [])).toBe('ID\n');
});

test('fields are names and values in two columns', () => {
  const text = formatFields([
    ['id', 'x1'],
    ['reason', undefined],
  ]);
  expect(text).toBe('id      x1\nreason  -\n');
});

test('text from elsewhere cannot steer a terminal', () => {
  const evil = 'a\u001b[31mred\u0007\r\n\u009b2J\u202etxet\u2066';
  expect(printable(evil)).toBe('a·[31mred····2J·txet·');
  expect(formatTable([{ title: 'T', of: () => '\u001b[2J' }], [{}])).toBe('T\n·[2J\n');
  expect(formatFields([['name', 'line\nline']])).toBe('name  line·line\n');
  expect(printable('naïve – 日本 ✓')).toBe('naïve – 日本 ✓');
});

test('lengths of time, instants, sizes and labels read well', () => {
  expect([-3, 0, 999, 1_000, 61_000, 3_600_000 + 120_000, 90_000_000].map((ms) => formatAge(ms))).toEqual([
    '0ms',
    '0ms',
    '999ms',
    '1s',
    '1m1s',
    '1h2m',
    '1d1h',
  ]);
  expect([0, 1_023, 1_536, 5 * 1024 ** 3].map(formatBytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '5.0 GiB']);
  expect(formatInstant(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(formatInstant(undefined)).toBeUndefined();
  expect(pairsText({ zone: 'a', gpu: 'true' })).toBe('zone=a gpu=true');
  expect(pairsText({})).toBeUndefined();
});

test('a result is a table, one JSON value, or one a line', () => {
  const written: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  try {
    const rows = [
      { id: 'a', bytes: Uint8Array.of(1, 2) },
      { id: 'b', large: 2n ** 60n },
    ];
    print('table', { rows }, () => 'TABLE\n', rows);
    print('json', { rows: rows.length }, () => '', rows);
    print('jsonl', { rows }, () => '', rows);
    print('jsonl', { id: 'alone' }, () => '');
  } finally {
    write.mockRestore();
  }
  expect(written).toEqual([
    'TABLE\n',
    '{\n  "rows": 2\n}\n',
    '{"id":"a","bytes":{"base64":"AQI="}}\n{"id":"b","large":"1152921504606846976"}\n',
    '{"id":"alone"}\n',
  ]);
});

test('the version is that of the package', () => {
  const file = path.resolve(import.meta.dirname, '../../package.json');
  expect(VERSION).toBe((JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version);
});

test('every error code has the exit status of its class', () => {
  const exits: Partial<Record<ErrorCode, number>> = {
    INVALID_ARGUMENT: EXIT.usage,
    PAYLOAD_TOO_LARGE: EXIT.usage,
    NOT_FOUND: EXIT.notFound,
    UNAUTHORIZED: EXIT.forbidden,
    FORBIDDEN: EXIT.forbidden,
    KEY_CONFLICT: EXIT.conflict,
    ALREADY_FINAL: EXIT.conflict,
    UNAVAILABLE: EXIT.unavailable,
    NO_LEADER: EXIT.unavailable,
    TIMEOUT: EXIT.unavailable,
    TASK_FAILED: EXIT.failed,
    INTERNAL: EXIT.failed,
  };
  for (const [code, exitCode] of Object.entries(exits)) {
    expect(endingOf(new TaskraftError(code as ErrorCode, 'sentence'))).toMatchObject({ code, exitCode });
  }
  for (const code of ERROR_CODES) {
    const { exitCode } = endingOf(new TaskraftError(code, 'sentence'));
    expect(exitCode).toBeGreaterThanOrEqual(EXIT.failed);
    expect(exitCode).toBeLessThanOrEqual(EXIT.unavailable);
  }
});

test('operating errors are told as sentences, and only a mistake of our own with its stack', () => {
  const sentence = 'the directory is locked';
  expect(endingOf(new StorageError('DATA_DIR_LOCKED', sentence))).toEqual({
    code: 'DATA_DIR_LOCKED',
    message: sentence,
    retryable: false,
    exitCode: EXIT.failed,
  });
  expect(endingOf(new SecretError('OPEN_TO_OTHERS', sentence))).toMatchObject({ code: 'OPEN_TO_OTHERS', exitCode: 1 });
  expect(endingOf(new CliError('USAGE', sentence, EXIT.usage))).toMatchObject({ code: 'USAGE', exitCode: 2 });
  expect(endingOf(new Error('oops'))).toMatchObject({ code: 'INTERNAL', exitCode: 1 });
  expect(endingOf(new Error('oops')).message).toContain('output.test.ts');
  expect(endingOf('thrown text')).toMatchObject({ code: 'INTERNAL', message: 'thrown text' });
});

test('an address that cannot be had is named, with what to do', () => {
  const taken = Object.assign(new Error('listen'), { syscall: 'listen', address: '::1', port: 7400 });
  expect(endingOf(Object.assign(taken, { code: 'EADDRINUSE' })).message).toMatch(
    /^\[::1\]:7400 is in use .* another port/,
  );
  expect(endingOf(Object.assign(taken, { code: 'EADDRNOTAVAIL' })).message).toContain('no address of this host');
  expect(endingOf(Object.assign(taken, { code: 'EACCES' })).message).toContain('not allowed');
  expect(endingOf(Object.assign(taken, { code: 'EOTHER' })).code).toBe('INTERNAL');
});

test('values of options are read strictly', () => {
  expect(wholeNumber('007')).toBe(7);
  for (const text of ['', '-1', '1.5', '1e3', 'ten', '1'.repeat(16)])
    expect(() => wholeNumber(text)).toThrow('whole number');
  expect(pair('a=b=c', { x: '1' })).toEqual({ x: '1', a: 'b=c' });
  expect(pair('a=', undefined)).toEqual({ a: '' });
  for (const text of ['a', '=b', '']) expect(() => pair(text, undefined)).toThrow('name=value');
  const defaults = ['d'];
  const read = words(defaults);
  expect(read('b,,c', read('a', defaults))).toEqual(['a', 'b', 'c']);
  expect(required(0, '--n')).toBe(0);
  expect(() => required(undefined, '--n')).toThrow("'--n'");
});
