import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES, errorFacts } from '../../src/protocol/error-code.ts';
import { CLIENT_FRAMES, SERVER_FRAMES } from '../../src/protocol/frame-table.ts';
import {
  ABORT_REASONS,
  CANCEL_ANSWERS,
  CATCH_UP_POLICIES,
  COMPLETION_ANSWERS,
  OCCURRENCE_KINDS,
  OVERLAP_POLICIES,
  SCHEDULE_STATES,
  TASK_STATES,
} from '../../src/protocol/rows.ts';

/** The formatter pads the cells of tables. */
const page = readFileSync(path.join(import.meta.dirname, '../../docs/PROTOCOL.md'), 'utf8').replaceAll(/ +/g, ' ');

describe('docs/PROTOCOL.md', () => {
  it.each([...CLIENT_FRAMES, ...SERVER_FRAMES])('shows the frame $type as it is laid out', ({ kind, type, names }) => {
    expect(page).toContain(`| ${type} \`[${[kind, ...names].join(', ')}]\` |`);
  });

  it('names every error code with its class, and no other', () => {
    const rows = ERROR_CODES.map((code) => {
      const { status, retryable, meaning } = errorFacts(code);
      return `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${meaning} |`;
    });
    const shown = page
      .slice(page.indexOf('## Error codes'))
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(shown).toEqual(rows);
  });

  it.each([
    ['state', TASK_STATES],
    ['completion answer', COMPLETION_ANSWERS],
    ['cancel answer', CANCEL_ANSWERS],
    ['abort reason', ABORT_REASONS],
    ['overlap policy', OVERLAP_POLICIES],
    ['catch-up policy', CATCH_UP_POLICIES],
    ['occurrence kind', OCCURRENCE_KINDS],
    ['schedule state', SCHEDULE_STATES],
  ])('lists every %s in its order', (name, values) => {
    expect(page).toContain(`| ${name} | ${values.join(' | ')} |`);
  });
});
