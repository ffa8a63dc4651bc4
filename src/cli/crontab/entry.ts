import { FIELD_NAMES, type Times, timesOf, type Word } from './fields.ts';
import { CrontabMistake } from './mistake.ts';

/** The parts of a line that runs a command, with the columns at which they begin. */
export interface EntryParts {
  /** A name such as `@daily` is what it is in all spellings, and both days must fit: it has stars. */
  readonly times: Times;
  readonly timesColumn: number;
  readonly user: string | undefined;
  readonly command: string;
  readonly commandColumn: number;
}

const USER = /^[A-Za-z_][\w.-]*\$?$/;

/**
 * Cuts `line` into times, user and command.
 *
 * @throws CrontabMistake where a part is missing or a user is no name
 */
export function cutEntry(line: string, hasUser: boolean): EntryParts {
  const words = [...line.matchAll(/[^ \t]+/g)].map((match) => ({ text: match[0], column: match.index + 1 }));
  const [begin] = words;
  if (begin?.text.startsWith('-') === true) {
    throw new CrontabMistake(
      'a minute cannot begin with -: it keeps other crons from logging; leave it out',
      begin.column,
    );
  }
  const named = begin?.text.startsWith('@') === true ? begin : undefined;
  const count = named === undefined ? FIELD_NAMES.length : 1;
  const end = line.trimEnd().length + 1;
  const fields = words.slice(0, count);
  if (fields.length < count) throw new CrontabMistake(`the ${FIELD_NAMES[fields.length]} is missing`, end);
  const user = hasUser ? userOf(words[count], end) : undefined;
  const first = words[count + (hasUser ? 1 : 0)];
  if (first === undefined) {
    const hint = hasUser ? ', or the user: a crontab of one person has none and is read with --user' : '';
    throw new CrontabMistake(`the command is missing${hint}`, end);
  }
  if (!hasUser && first.text.startsWith('*')) {
    throw new CrontabMistake('the command begins with *: cron has five fields of times', first.column);
  }
  return {
    times: named === undefined ? timesOf(fields) : nicknameOf(named),
    timesColumn: begin?.column ?? 1,
    user,
    command: line.slice(first.column - 1),
    commandColumn: first.column,
  };
}

function userOf(word: Word | undefined, end: number): string {
  if (word === undefined) throw new CrontabMistake('the user and the command are missing', end);
  if (!USER.test(word.text)) {
    throw new CrontabMistake(
      `"${word.text}" is no user: a crontab of one person has none and is read with --user`,
      word.column,
    );
  }
  return word.text;
}

/** cron's own names are small letters. */
function nicknameOf({ text, column }: Word): Times {
  const small = text.toLowerCase();
  if (small !== text) throw new CrontabMistake(`cron knows no "${text}": write ${small}`, column);
  return { checked: text, taken: text, foreign: undefined, pointless: [], starDay: true };
}
