import { CrontabMistake } from './mistake.ts';

/** The parts of a line that runs a command, with the columns at which they begin. */
export interface EntryParts {
  /** As it was written, up to the last of the five fields. */
  readonly times: string;
  readonly timesColumn: number;
  /** The first field that says something in another way than cron does; the calendar may know it. */
  readonly foreign: { readonly text: string; readonly column: number } | undefined;
  /** True when day of month or day of week begins with `*`. */
  readonly starDay: boolean;
  readonly user: string | undefined;
  readonly command: string;
  readonly commandColumn: number;
}

const FIELDS: readonly string[] = ['minute', 'hour', 'day of month', 'month', 'day of week'];
/** From here on a field may have names. */
const MONTH = 3;

/** Values, ranges, stars and steps are all that cron knows. Whether they make sense is told of by the calendar, to the letter. */
const NUMBERS = fieldOf(String.raw`\d+`);
const NAMES = fieldOf(String.raw`(?:\d+|[A-Za-z]{3})`);

const USER = /^[A-Za-z_][\w.-]*\$?$/;

/**
 * Cuts `line` into times, user and command.
 *
 * @throws CrontabMistake where a part is missing or a user is no name
 */
export function cutEntry(line: string, hasUser: boolean): EntryParts {
  const words = [...line.matchAll(/[^ \t]+/g)].map((match) => ({ text: match[0], column: match.index + 1 }));
  const isNamed = words[0]?.text.startsWith('@') === true;
  const count = isNamed ? 1 : FIELDS.length;
  const end = line.trimEnd().length + 1;
  const fields = words.slice(0, count);
  if (fields.length < count) throw new CrontabMistake(`the ${FIELDS[fields.length]} is missing`, end);
  const user = hasUser ? words[count] : undefined;
  if (hasUser && user === undefined) throw new CrontabMistake('the user and the command are missing', end);
  if (user !== undefined && !USER.test(user.text)) {
    throw new CrontabMistake(
      `"${user.text}" is no user: a crontab of one person has none and is read with --user`,
      user.column,
    );
  }
  const first = words[count + (hasUser ? 1 : 0)];
  if (first === undefined) {
    const hint = hasUser ? ', or the user: a crontab of one person has none and is read with --user' : '';
    throw new CrontabMistake(`the command is missing${hint}`, end);
  }
  const last = fields.at(-1);
  const timesColumn = fields[0]?.column ?? 1;
  return {
    times: line.slice(timesColumn - 1, (last?.column ?? 1) - 1 + (last?.text.length ?? 0)),
    timesColumn,
    foreign: isNamed ? undefined : fields.find(({ text }, at) => !(at >= MONTH ? NAMES : NUMBERS).test(text)),
    starDay: isNamed ? true : [2, 4].some((at) => fields[at]?.text.startsWith('*') === true),
    user: user?.text,
    command: line.slice(first.column - 1),
    commandColumn: first.column,
  };
}

function fieldOf(value: string): RegExp {
  const part = String.raw`(?:\*|${value}(?:-${value})?)(?:/\d+)?`;
  return new RegExp(`^${part}(?:,${part})*$`);
}
