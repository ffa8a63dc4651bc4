/** Options that say what a task is, of one that is submitted and of those that a schedule makes. */
import { type Command, Option } from 'commander';
import type { ScheduledTask } from '../../index.ts';
import { CliError, EXIT, required } from '../exit.ts';
import { parsePayload, readText } from '../input.ts';
import { duration, pair, wholeNumber } from '../parse.ts';

/** What `withTask` adds to a command. */
export interface TaskFlags {
  readonly type?: string;
  readonly payload?: string;
  readonly payloadFile?: string;
  readonly queue?: string;
  readonly priority?: number;
  readonly require?: Readonly<Record<string, string>>;
  readonly header?: Readonly<Record<string, string>>;
  readonly maxAttempts?: number;
  readonly runTimeout?: string;
  readonly queueTimeout?: string;
  readonly totalTimeout?: string;
}

/** Adds the options that say what a task is, under a heading of their own where there is one. */
export function withTask(command: Command, heading?: string): Command {
  const options = [
    new Option('--type <type>', 'names the handler (required)'),
    new Option('--payload <json>', 'payload as JSON'),
    new Option('--payload-file <file>', 'payload as JSON from a file, - for standard input'),
    new Option('--queue <queue>', 'queue'),
    new Option('--priority <1-10>', '1 is first').argParser(wholeNumber),
    new Option('--require <name=value>', 'label that the worker must have; may be repeated').argParser(pair),
    new Option('--header <name=value>', 'header for the handler; may be repeated').argParser(pair),
    new Option('--max-attempts <n>', 'attempts before a task fails for good').argParser(wholeNumber),
    new Option('--run-timeout <duration>', 'how long one attempt may run').argParser(duration),
    new Option('--queue-timeout <duration>', 'how long a task may wait for a slot').argParser(duration),
    new Option('--total-timeout <duration>', 'how long everything of a task may take').argParser(duration),
  ];
  for (const option of options) command.addOption(heading === undefined ? option : option.helpGroup(heading));
  return command;
}

/** A task as options say it. @throws CliError USAGE */
export async function taskOf(flags: TaskFlags): Promise<ScheduledTask> {
  if (flags.payload !== undefined && flags.payloadFile !== undefined) {
    throw new CliError('USAGE', 'give --payload or --payload-file, not both', EXIT.usage);
  }
  const type = required(flags.type, '--type <type>');
  const text = flags.payloadFile === undefined ? flags.payload : await readText(flags.payloadFile);
  const { maxAttempts } = flags;
  return {
    type,
    ...(text === undefined ? {} : { payload: parsePayload(text) }),
    ...given('queue', flags.queue),
    ...given('priority', flags.priority),
    ...given('requires', flags.require),
    ...given('headers', flags.header),
    ...(maxAttempts === undefined ? {} : { retry: { maxAttempts } }),
    timeouts: {
      ...given('run', flags.runTimeout),
      ...given('queue', flags.queueTimeout),
      ...given('total', flags.totalTimeout),
    },
  };
}

/** A field that is left out where nothing was given for it. */
export function given<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]?: Value });
}
