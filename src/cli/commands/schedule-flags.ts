/** Options that say when a schedule fires. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ScheduleSpec, ScheduleTimes, ScheduleWhen } from '../../index.ts';
import { CliError, EXIT, required } from '../exit.ts';
import { duration } from '../parse.ts';
import { given, type TaskFlags, taskOf } from './task-flags.ts';

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

const WHEN = 'When:';

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
export async function scheduleOf(id: string | undefined, flags: WhenFlags & TaskFlags): Promise<ScheduleSpec> {
  return { id: required(id, '<id>'), ...whenOf(flags), task: await taskOf(flags) };
}

/** A length of time that several of would not be a union, as they are of patterns. @throws InvalidArgumentError */
function once(text: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('it was given before; "specs" of a file takes several');
  return duration(text);
}

function collected(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}
