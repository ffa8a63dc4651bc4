import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { readDeclarations } from '../../src/cli/declared/schedules.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { Schedules } from '../../src/client/schedules.ts';
import { CATCH_UP_POLICIES, OVERLAP_POLICIES } from '../../src/protocol/rows.ts';
import { SCHEDULER_LIMITS } from '../../src/scheduler/limits.ts';
import { SKIPS } from '../../src/scheduler/schedules/codes.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../docs/SCHEDULES.md'), 'utf8');

/** The first cells of the table that begins behind `heading`, without backticks and remarks. */
function firstCells(heading: string): string[] {
  const [, rest = ''] = page.split(heading);
  const lines = rest.split('\n');
  const from = lines.findIndex((line) => line.startsWith('| -'));
  const rows = lines.slice(from + 1);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((line) => /`(\w+)/.exec(line)?.[1] ?? '');
}

test('every reason for a skip is on the page, and no other', () => {
  const reasons = SKIPS.filter((reason) => reason !== undefined);
  expect(firstCells('leaves one skip with its reason:').sort()).toEqual([...reasons].sort());
});

test('every policy is on the page, the default first', () => {
  expect(firstCells('**`overlap`** decides')).toEqual([...OVERLAP_POLICIES]);
  expect(firstCells('**`catchUp`** decides')).toEqual([...CATCH_UP_POLICIES]);
});

test('every method is on the page', () => {
  const [, table = ''] = /\| method([\s\S]*?)\n\n/.exec(page) ?? [];
  const methods = Object.getOwnPropertyNames(Schedules.prototype).filter((name) => name !== 'constructor');
  expect(methods.filter((name) => !table.includes(`\`${name}(`))).toEqual([]);
});

test('every command is on the page', () => {
  const schedule = makeProgram().commands.find((command) => command.name() === 'schedule');
  const verbs = schedule?.commands.map((command) => command.name()) ?? [];
  expect(page).toContain(`\`taskraft schedule ${verbs.join(' | ')}\``);
});

test('the file on the page can be applied', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  const { schedules, mistakes } = readDeclarations([['schedules.yaml', yaml]], 'apply');
  expect(mistakes).toEqual([]);
  expect(schedules.map(({ spec }) => spec.id)).toEqual(['reports/nightly', 'ping']);
});

test('the limits on the page are those of the code', () => {
  const [, table = ''] = page.split('## Limits and trouble');
  const row = (about: string): string => table.split('\n').find((line) => line.startsWith(`| ${about}`)) ?? '';
  expect(row('schedules of a namespace')).toContain(SCHEDULER_LIMITS.schedulesMax.toLocaleString('en'));
  expect(row('definitions and payloads')).toContain(`${SCHEDULER_LIMITS.scheduleBytesMax / 1024 ** 2} MiB`);
  expect(row('occurrences that wait')).toContain(SCHEDULER_LIMITS.scheduleBufferMax.toLocaleString('en'));
  expect(row('occurrences of a backfill')).toContain(SCHEDULER_LIMITS.backfillMax.toLocaleString('en'));
  expect(row('one calendar')).toContain(`${SCHEDULER_LIMITS.calendarBytesMax / 1024} KiB`);
});
