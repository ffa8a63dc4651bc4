/** Options that say when a schedule fires and what its tasks are. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ScheduledTask, ScheduleSpec, ScheduleTimes, ScheduleWhen } from '../../index.ts';
import { CliError, EXIT, required } from '../exit.ts';
import { parsePayload, readTextNow } from '../input.ts';
import { duration, pair, wholeNumber } from '../parse.ts';

/** What `withWhen` adds to a command. */
export interface WhenFlags {
  readonly cron?: readonly string[];
  readonly every?: string;
  readonly phase?: string;
  readonly at?: readonly string[];
  readonly exclude?: readonly string[];
  readonly tz?: string;
  readonly dayMatch?: 'or' | 'and';
  readonly dstGap?: 'after' | 'skip';
  readonly dstOverlap?: 'first' | 'both';
  readonly startAt?: string;
  readonly endAt?: string;
  readonly jitter?: string;
}

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

const WHEN = 'When:';
const TASK = 'Its tasks:';

/** Adds the options that say when. */
export function withWhen(command: Command): Command {
  const options = [
    new Option(
      '--cron <pattern>',
      'minute hour day month weekday; seconds in front and a year behind may be added; may be repeated',
    ).argParser(collected),
    new Option('--every <duration>', 'a period of 1s at least').argParser(once),
    new Option('--phase <duration>', 'with --every: so long after 1970-01-01T00:00Z').argParser(once),
    new Option('--at <instant>', 'once, ISO 8601 with its offset; may be repeated').argParser(collected),
    new Option('--exclude <pattern>', 'not when this cron pattern matches; may be repeated').argParser(collected),
    new Option('--tz <zone>', 'IANA time zone of patterns (default UTC)'),
    new Option('--day-match <how>', 'how day of month and weekday combine (default or)').choices(['or', 'and']),
    new Option('--dst-gap <how>', 'a local time that is skipped (default after)').choices(['after', 'skip']),
    new Option('--dst-overlap <how>', 'a local time that comes twice (default first)').choices(['first', 'both']),
    new Option('--start-at <instant>', 'nothing before'),
    new Option('--end-at <instant>', 'nothing after'),
    new Option('--jitter <duration>', 'put each off by up to this long').argParser(duration),
  ];
  for (const option of options) command.addOption(option.helpGroup(WHEN));
  return command;
}

/** Adds the options that say what the tasks of a schedule are. */
export function withTask(command: Command): Command {
  const options = [
    new Option('--type <type>', 'names the handler (required)'),
    new Option('--payload <json>', 'payload as JSON'),
    new Option('--payload-file <file>', 'payload as JSON from a file'),
    new Option('--queue <queue>', 'queue'),
    new Option('--priority <1-10>', '1 is first').argParser(wholeNumber),
    new Option('--require <name=value>', 'label that the worker must have; may be repeated').argParser(pair),
    new Option('--header <name=value>', 'header for the handler; may be repeated').argParser(pair),
    new Option('--max-attempts <n>', 'attempts before a task fails for good').argParser(wholeNumber),
    new Option('--run-timeout <duration>', 'how long one attempt may run').argParser(duration),
    new Option('--queue-timeout <duration>', 'how long a task may wait for a slot').argParser(duration),
    new Option('--total-timeout <duration>', 'how long everything of a task may take').argParser(duration),
  ];
  for (const option of options) command.addOption(option.helpGroup(TASK));
  return command;
}

/** True when any option says an instant. */
export function hasWhen(flags: WhenFlags): boolean {
  return flags.cron !== undefined || flags.every !== undefined || flags.at !== undefined;
}

/** Refuses options that were given and would have no effect. @throws CliError USAGE */
export function refuseOthers(command: Command, hasEffect: (option: Option) => boolean, why: string): void {
  const other = command.options.find(
    (option) => command.getOptionValueSource(option.attributeName()) === 'cli' && !hasEffect(option),
  );
  if (other !== undefined)
    throw new CliError('USAGE', `${other.long ?? other.flags} has no effect: ${why}`, EXIT.usage);
}

/** Whether `withWhen` has added the option. */
export function isWhenOption(option: Option): boolean {
  return option.helpGroupHeading === WHEN;
}

/** When, as the options say. */
export function whenOf(flags: WhenFlags): ScheduleWhen {
  const { cron = [], every, phase, at = [], exclude, tz, dayMatch, dstGap, dstOverlap, startAt, endAt, jitter } = flags;
  // Several of one sort are a union; of two sorts one is a slip, and the peers say which.
  const several =
    cron.length > 1 ? cron.map((one) => ({ cron: one })) : at.length > 1 ? at.map((one) => ({ at: one })) : [];
  const times: ScheduleTimes & { readonly specs?: readonly ScheduleTimes[] } = {
    ...(several.length > 0 ? { specs: several } : {}),
    ...(cron.length === 1 ? given('cron', cron[0]) : {}),
    ...given('every', every),
    ...given('phase', phase),
    ...(at.length === 1 ? given('at', at[0]) : {}),
  };
  const dst = { ...given('gap', dstGap), ...given('overlap', dstOverlap) };
  return {
    ...times,
    ...given('exclude', exclude),
    ...given('timeZone', tz),
    ...given('dayMatch', dayMatch),
    ...(Object.keys(dst).length === 0 ? {} : { dst }),
    ...given('startAt', startAt),
    ...given('endAt', endAt),
    ...given('jitter', jitter),
  };
}

/** A schedule as options say it, but for its policies. @throws CliError USAGE */
export function scheduleOf(id: string | undefined, flags: WhenFlags & TaskFlags): ScheduleSpec {
  return { id: required(id, '<id>'), ...whenOf(flags), task: taskOf(flags) };
}

function taskOf(flags: TaskFlags): ScheduledTask {
  if (flags.payload !== undefined && flags.payloadFile !== undefined) {
    throw new CliError('USAGE', 'give --payload or --payload-file, not both', EXIT.usage);
  }
  const text = flags.payloadFile === undefined ? flags.payload : readTextNow(flags.payloadFile);
  const { maxAttempts } = flags;
  return {
    type: required(flags.type, '--type <type>'),
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
function given<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]?: Value });
}

/** A length of time that several of would not be a union, as they are of patterns. @throws InvalidArgumentError */
function once(text: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('it was given before; "specs" of a file takes several');
  return duration(text);
}

function collected(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}
