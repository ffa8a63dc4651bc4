/** How programs end that cannot do what they were asked. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { taskraft } from './support/program.ts';

const DIST = path.resolve(import.meta.dirname, '../../dist');

test.each([
  ['sim/main.js', ['--sed', '1'], 2],
  ['sim/main.js', ['--seed', 'x'], 2],
  ['sim/main.js', ['--help'], 0],
  ['bench/main.js', [], 2],
  ['bench/main.js', ['lifecycle', '--seconds', 'x'], 2],
  ['bench/main.js', ['lifecycle', '--help'], 0],
])('%s %j ends as the command line does', (file, args, status) => {
  expect(spawnSync(process.execPath, [path.join(DIST, file), ...args]).status).toBe(status);
});

test.each(['/dev/null', ...(process.platform === 'linux' ? ['/proc/taskraft'] : [])])(
  'dev with its data at %s fails with a sentence',
  async (directory) => {
    const { status, stderr } = await taskraft(['dev', '--data', directory]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: \/.* cannot be used: .*\. Give another --data\. \(DATA_DIR_UNUSABLE\)\n$/);
  },
);
