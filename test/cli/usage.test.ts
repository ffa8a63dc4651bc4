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
  [['task', 'submit', '--type', 'x', '--run-at', 'tomorrow'], '--run-at is an instant: text such as'],
  [['task', 'submit', '--type', 'x', '--run-at', '2026-02-30T00:00:00Z'], '--run-at: "2026-02-30T00:00:00Z" does not'],
  [['task', 'submit', '--type', 'x', '--run-at', '2026-03-01T00:00:00'], 'names no zone'],
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
  [['schedule', 'put', '--cron', '0 0 * * *', '--type', 'x'], "required argument '<id>' not specified"],
  [['schedule', 'backfill', 'a', '--from', '2026-01-01T00:00:00Z'], "'--to <instant>' not specified"],
  [['schedule', 'backfill', 'a', '--from', '2026-01-01', '--to', '2026-02-01'], '"2026-01-01" names no zone'],
  [['schedule', 'put', 'a', '--every', '1h', '--every', '5m', '--type', 'x'], 'it was given before'],
  [['schedule', 'put', 'a', '-f', '/dev/null'], '"a" has no effect beside --file'],
  [['schedule', 'put', '-f', '/dev/null', '--cron', '* * * * *'], '--cron has no effect: files say everything'],
  [['schedule', 'put', '-f', '/dev/null', '--expected-version', '1'], '--expected-version has no effect'],
  [['schedule', 'next', 'a', 'ten'], 'a whole number is needed'],
  [['schedule', 'next', 'a', '--tz', 'Europe/London'], '--tz has no effect: what is stored says'],
  [['schedule', 'next', 'a', '--after', '2027'], '"2027" is no instant'],
  [['schedule', 'list', '-o', 'yaml'], 'Allowed choices are table, json, jsonl'],
  [['apply'], "'-f, --file <file...>' not specified"],
  [['diff', '-f', '/no/such/file'], 'cannot read /no/such/file'],
  [['apply', '-f', '/dev'], 'cannot read /dev: it is a directory; name the files in it'],
  [['apply', '-f', '/dev/null', '--prune'], '--prune would delete every schedule that "apply" manages'],
  [['diff', '-f', '/dev/null', '--prune'], 'the files declare nothing'],
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
