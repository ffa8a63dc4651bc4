import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit.ts';
import { CLIENT_PORT_DEFAULT, PEER_PORT_DEFAULT } from '../../src/config/cluster-config.ts';
import { isErrorCode } from '../../src/protocol/error-code.ts';
import { SCHEDULER_LIMITS } from '../../src/scheduler/limits.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const architecture = read('docs/ARCHITECTURE.md');
const operating = read('docs/OPERATING.md');
const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: read(path.join('src', file)) }));

/** What stands in backticks on a page and fits `form`, each once. */
function quoted(page: string, form: RegExp): string[] {
  const spans = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text ?? '');
  return [...new Set(spans.filter((text) => form.test(text)))];
}

/** The members of a union of string literals in a source file. */
function unionOf(file: string, name: string): string[] {
  const [, body] = new RegExp(`export type ${name} =([^;]*);`).exec(read(file)) ?? [];
  return [...(body ?? '').matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code ?? '');
}

test('the map names no file that is not there', () => {
  const named = quoted(architecture, /^[\w/-]+\.ts$/);
  expect(named.length).toBeGreaterThan(15);
  const lost = named.filter((name) => {
    if (/^(?:src|test|sim|bench)\//.test(name))
      return !sources.some(({ file }) => `src/${file}` === name) && !isFile(name);
    return !sources.some(({ file }) => file === name || file.endsWith(`/${name}`));
  });
  expect(lost).toEqual([]);
});

test('the map names no method that is not there', () => {
  const named = quoted(architecture, /^[A-Z]\w+\.[a-z]\w+$/);
  expect(named.length).toBeGreaterThan(5);
  const lost = named.filter((name) => {
    const [owner, method] = name.split('.');
    const isDefined = new RegExp(`^  (?:async )?${method}\\(`, 'm');
    return !sources.some(({ text }) => text.includes(`export class ${owner} `) && isDefined.test(text));
  });
  expect(lost).toEqual([]);
});

test('the map shows every folder of the sources', () => {
  const folders = readdirSync(path.join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const missing = folders.filter(({ name }) => !architecture.includes(`**\`src/${name}\`**`));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test('every package that ships is justified, and no other is', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  const [, table = ''] = /## Dependencies\n([\s\S]*?)\n## /.exec(architecture) ?? [];
  const listed = [...table.matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name);
  expect(new Set(listed)).toEqual(new Set(Object.keys(dependencies)));
});

test('every refusal of storage and transport is explained to operators', () => {
  const codes = [
    ...unionOf('src/storage/storage-error.ts', 'StorageErrorCode'),
    ...unionOf('src/transport/refusal.ts', 'RefusalCode'),
  ];
  expect(codes.length).toBeGreaterThan(20);
  expect(codes.filter((code) => !operating.includes(`\`${code}\``))).toEqual([]);
});

test('the limits told to operators are those of the code, each with a code that exists', () => {
  const { liveTasksMax, finishedTasksMax, keysMax, queuesMax, workersMax, sessionsMax, batchTasksMax, schedulesMax } =
    SCHEDULER_LIMITS;
  const [, table = ''] = /## Limits\n([\s\S]*)$/.exec(operating) ?? [];
  const row = (about: string): string => table.split('\n').find((line) => line.startsWith(`| ${about}`)) ?? '';
  expect(row('unfinished tasks')).toContain(liveTasksMax.toLocaleString('en'));
  expect(row('finished tasks')).toContain(finishedTasksMax.toLocaleString('en'));
  expect(row('keys')).toContain(keysMax.toLocaleString('en'));
  expect(row('queues')).toContain(queuesMax.toLocaleString('en'));
  expect(row('schedules')).toContain(schedulesMax.toLocaleString('en'));
  expect(row('workers')).toContain(workersMax.toLocaleString('en'));
  expect(row('client sessions')).toContain(sessionsMax.toLocaleString('en'));
  expect(row('one submission')).toContain(batchTasksMax.toLocaleString('en'));
  expect(quoted(table, /^[A-Z_]+$/).filter((code) => !isErrorCode(code))).toEqual([]);
});

test('exit codes and ports told to operators are those of the code', () => {
  const [, table = ''] = /## Exit codes\n([\s\S]*?)\n## /.exec(operating) ?? [];
  const listed = [...table.matchAll(/^\| (\d+) /gm)].map(([, code]) => Number(code));
  expect(listed).toEqual(Object.values(EXIT));
  expect(operating).toContain(`| ${CLIENT_PORT_DEFAULT} `);
  expect(operating).toContain(`| ${PEER_PORT_DEFAULT} `);
});

test('every option of the bench and every field of its report is explained', () => {
  const page = read('docs/BENCHMARKS.md');
  const [, report = ''] = /export interface LifecycleReport \{\n([\s\S]*?)\n\}/.exec(read('bench/lifecycle.ts')) ?? [];
  const fields = [...report.matchAll(/^ {2}readonly (\w+)/gm)].map(([, name]) => `\`${name}\``);
  const options = [...read('bench/main.ts').matchAll(/\.option\('(--[\w-]+)/g)].map(([, name]) => `| \`${name}`);
  expect(fields.length).toBeGreaterThan(5);
  expect(options.length).toBeGreaterThan(5);
  expect([...fields, ...options].filter((name) => !page.includes(name))).toEqual([]);
});

function isFile(name: string): boolean {
  try {
    read(name);
    return true;
  } catch {
    return false;
  }
}
