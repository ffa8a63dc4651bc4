import { expect, test } from 'vitest';
import { type Ending, endingOf } from '../../src/cli/exit.ts';
import { makeProgram } from '../../src/cli/program.ts';

/** How the program ends that was called with these arguments. */
async function ending(...args: readonly string[]): Promise<Ending> {
  try {
    await makeProgram().parseAsync(['node', 'taskraft', ...args]);
  } catch (error) {
    return endingOf(error);
  }
  throw new Error('it went well');
}

test.each([
  [['tsk'], 'Did you mean task?'],
  [['task', 'sbmit'], 'Did you mean submit?'],
  [['task', 'submit', '--tpye', 'x'], 'Did you mean --type?'],
  [['task', 'submit'], "'--type <type>' not specified"],
  [['task', 'submit', '--type', 'x', '--payload', '{'], 'the payload is no JSON'],
  [['task', 'submit', '--type', 'x', '--payload', '1', '--payload-file', 'f'], 'not both'],
  [['task', 'submit', '--type', 'x', '--payload-file', '/no/such/file'], 'cannot read /no/such/file'],
  [['task', 'submit', '--type', 'x', '--run-at', 'tomorrow'], 'is no instant'],
  [['task', 'submit', '--type', 'x', '--priority', 'high'], 'a whole number is needed'],
  [['task', 'submit', '--type', 'x', '--require', 'gpu'], 'write name=value'],
  [['task', 'list', '--state', 'finished'], 'Allowed choices are'],
  [['task', 'list', '--state', 'blocked'], 'Allowed choices are scheduled, pending, running,'],
  [['task', 'get'], "missing required argument 'id'"],
  [['task', 'get', 'a', 'b'], 'too many arguments'],
  [['task', 'list', '--url', 'http://x'], 'is no URL of a peer'],
  [['task', 'list', '-o', 'yaml'], 'Allowed choices are table, json'],
  [['task', 'list', '--timeout', 'soon'], 'write it with its unit'],
  [['task', 'list', '--namespace', 'a b'], 'namespace is 1 to 200 characters'],
  [['schedule', 'put'], "'<id>' not specified"],
  [['schedule', 'put', 'a', '--cron', '* * * * *'], "'--type <type>' not specified"],
  [['schedule', 'put', 'a', '--cronn', 'x'], 'Did you mean --cron?'],
  [['schedule', 'put', 'a', '--every', 'often', '--type', 'x'], 'write it with its unit'],
  [['schedule', 'put', 'a', '--every', '1h', '--type', 'x', '--payload', '{'], 'the payload is no JSON'],
  [['schedule', 'put', 'a', '--every', '1h', '--type', 'x', '--payload-file', '/no/such/file'], 'cannot read'],
  [['schedule', 'put', 'a', '--overlap', 'maybe'], 'Allowed choices are skip, bufferOne'],
  [['schedule', 'backfill', 'a', '--from', '2026-01-01T00:00:00Z'], "'--to <instant>' not specified"],
  [['schedule', 'next', 'a', 'ten'], 'a whole number is needed'],
  [['schedule', 'list', '-o', 'yaml'], 'Allowed choices are table, json, jsonl'],
  [['apply'], "'-f, --file <file...>' not specified"],
  [['diff', '-f', '/no/such/file'], 'cannot read /no/such/file'],
  [['apply', '-f', 'f', '--managed-by', 'a b'], 'a name has 1 to 200 characters'],
  [['worker', 'run'], '--allow-exec'],
  [['worker', 'run', '--allow-exec', '--env', 'TASKRAFT_TOKEN'], 'not handed to commands'],
  [['worker', 'run', '--allow-exec', '--drain', 'x'], 'write it with its unit'],
  [['worker', 'drain'], "missing required argument 'worker'"],
  [['server'], "'--config <file>' not specified"],
  [['server', '--config', 'f'], "'--peer <id>' not specified"],
  [['server', '--cofnig', 'f'], 'Did you mean --config?'],
  [['dev', '--peers', '2'], 'a cluster for development has 1, 3, 5, 7 peers'],
  [['dev', '--peers', 'x'], 'a whole number is needed'],
  [['demo', '--dir', '/no/such/directory'], 'is no directory'],
])('%j is wrong usage', async (args, words) => {
  const { exitCode, message, retryable } = await ending(...args);
  expect({ exitCode, retryable }).toEqual({ exitCode: 2, retryable: false });
  expect(message).toContain(words);
  expect(message).not.toMatch(/\n|^error/);
});
