/**
 * Reads crontabs, as Debian's cron does, and says which schedules they ask for.
 *
 * In: the text of a file, in the system's format (`/etc/crontab`, `/etc/cron.d`: a user stands before each command) or in that of a
 * person's own. Out: entries, each with its pattern, user, command, standard input and variables; or every problem of the file with its
 * line and column. `schedules.ts` makes schedules of entries. A file with a problem gives no entry at all.
 *
 * What crontab(5) says is kept: `#` begins a comment only at the beginning of a line; a variable holds for the lines below it; `%` ends
 * the command and begins its standard input; 7 is Sunday; where day of month or day of week begins with `*`, both must fit, else one is
 * enough. What is ours: `CRON_TZ` names the zone of the lines below it, and changes of clock follow the rules of schedules, not cron's.
 *
 * It knows neither the cluster nor files; what cron alone can do (`@reboot`, mail) is a problem or a note.
 */
import { CalendarError, type CalendarDefinition, parseCalendar } from '../../calendar/definition.ts';
import { splitCommand } from './command.ts';
import { cutEntry, type EntryParts } from './entry.ts';
import { CrontabMistake } from './mistake.ts';
import { readVariable } from './variables.ts';

/** Bytes of one file. */
export const CRONTAB_BYTES_MAX: number = 1_024 * 1_024;

/** Entries of one file. */
export const CRONTAB_ENTRIES_MAX = 1_000;

/** One line that runs a command. */
export interface CrontabEntry {
  /** From 1. */
  readonly line: number;
  /** Five fields or a name such as `@daily`, blanks single. */
  readonly cron: string;
  readonly dayMatch: CalendarDefinition['dayMatch'];
  readonly timeZone: string;
  /** Undefined in a crontab of one person. */
  readonly user: string | undefined;
  /** For `shell -c`. */
  readonly command: string;
  /** What follows the first `%`; undefined where there is none. */
  readonly stdin: string | undefined;
  readonly shell: string;
  /** Variables of the lines above, but those that speak to cron itself. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What is wrong, and where. */
export interface CrontabProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What a file says. Entries are empty when there is a problem. */
export interface Crontab {
  readonly entries: readonly CrontabEntry[];
  readonly problems: readonly CrontabProblem[];
  /** For people: what is taken in another way than cron takes it. */
  readonly notes: readonly string[];
}

/** How a file is read. */
export interface CrontabOptions {
  /** True when a user stands before each command. */
  readonly hasUser: boolean;
  /** IANA name of the zone in which times are meant until a `CRON_TZ` line says another. */
  readonly timeZone: string;
}

/** Variables that speak to cron, and are nothing to a command here. */
const OF_CRON: readonly string[] = [
  'MAILTO',
  'MAILFROM',
  'CONTENT_TYPE',
  'CONTENT_TRANSFER_ENCODING',
  'CRON_TZ',
  'RANDOM_DELAY',
];
const SHELL_DEFAULT = '/bin/sh';

/** What the file with that `text` says. */
export function parseCrontab(text: string, options: CrontabOptions): Crontab {
  const entries: CrontabEntry[] = [];
  const problems: CrontabProblem[] = [];
  const notes: string[] = [];
  const variables = new Map<string, string>();
  const lines = text.split('\n');
  // What stands behind the last newline is no line.
  const unended = lines.pop() ?? '';
  if (unended !== '') {
    lines.push(unended);
    notes.push(`line ${lines.length}: it has no newline at its end, for which cron leaves out the whole file`);
  }
  if (/\r\n/.test(text)) notes.push('lines end as on Windows: each is taken without its last character');
  for (const [at, raw] of lines.entries()) {
    const line = raw.replace(/\r$/, '');
    if (/^[ \t]*(?:#|$)/.test(line)) continue;
    try {
      refuseOddLetters(line);
      const variable = readVariable(line);
      if (variable === undefined) {
        const { entry, remarks } = entryOf(line, at + 1, variables, options);
        entries.push(entry);
        for (const remark of remarks) notes.push(`line ${at + 1}: ${remark}`);
      } else {
        const note = take(variable.name, variable.value, variable.valueColumn, variables);
        if (note !== undefined) notes.push(`line ${at + 1}: ${note}`);
      }
    } catch (error) {
      if (!(error instanceof CrontabMistake)) throw error;
      problems.push({ line: at + 1, column: error.column, message: error.message });
    }
  }
  if (entries.length > CRONTAB_ENTRIES_MAX) {
    problems.push({
      line: 1,
      column: 1,
      message: `more than ${CRONTAB_ENTRIES_MAX} entries: cut the file into several`,
    });
  }
  return { entries: problems.length > 0 ? [] : entries, problems, notes };
}

/** Keeps a variable for the lines below, and says what people should know of it. */
function take(name: string, value: string, column: number, variables: Map<string, string>): string | undefined {
  if (name === 'CRON_TZ') checkZone(value, column);
  if (name === 'SHELL' && !value.startsWith('/'))
    throw new CrontabMistake('SHELL is a whole path such as /bin/bash', column);
  if (name.startsWith('TASKRAFT_')) throw new CrontabMistake(`${name} is told to commands by their worker`, 1);
  if (name === 'LOGNAME') return 'LOGNAME: not taken, cron sets it itself';
  variables.set(name, value);
  if (name === 'TZ') return 'TZ: commands get the variable, but times follow CRON_TZ or --time-zone';
  if (name === 'MAILTO' && value !== '') return 'MAILTO: nobody gets mail';
  if (name === 'RANDOM_DELAY') return 'RANDOM_DELAY: not taken; give the schedule a jitter instead';
  if (name === 'HOME') return 'HOME: commands get the variable, but begin in an empty directory of their own';
  return undefined;
}

/** What a line says, and what people should know of it. */
function entryOf(
  line: string,
  at: number,
  variables: ReadonlyMap<string, string>,
  options: CrontabOptions,
): { readonly entry: CrontabEntry; readonly remarks: readonly string[] } {
  const parts = cutEntry(line, options.hasUser);
  const { taken: cron, starDay, pointless } = parts.times;
  const timeZone = variables.get('CRON_TZ') ?? options.timeZone;
  const dayMatch = starDay ? 'and' : 'or';
  checkTimes(parts, dayMatch, timeZone);
  const { command, stdin } = splitCommand(parts.command);
  if (command.trim() === '') throw new CrontabMistake('a command is missing before the %', parts.commandColumn);
  const remarks = pointless.map((text) => `${text} steps past the end and means its first value alone, as under cron`);
  if (command.includes('\\\\')) remarks.push('two backslashes stay two; Debian’s cron hands the shell one of them');
  const environment = Object.fromEntries([...variables].filter(([name]) => !OF_CRON.includes(name)));
  const shell = variables.get('SHELL') ?? SHELL_DEFAULT;
  const entry = { line: at, cron, dayMatch, timeZone, user: parts.user, command, stdin, shell, environment } as const;
  return { entry, remarks };
}

/** @throws CrontabMistake at the field that is wrong */
function checkTimes({ times, timesColumn }: EntryParts, dayMatch: 'or' | 'and', timeZone: string): void {
  const { checked, foreign } = times;
  try {
    parseCalendar({ cron: checked, dayMatch, timeZone });
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    throw new CrontabMistake(error.message, timesColumn + (error.column ?? 1) - 1);
  }
  if (foreign !== undefined) {
    throw new CrontabMistake(
      `"${foreign.text}" is nothing that cron knows: put the schedule itself to use it`,
      foreign.column,
    );
  }
}

/** A process can be given no NUL, and what is no UTF-8 would reach it as something else. */
function refuseOddLetters(line: string): void {
  const at = line.search(/[\0\uFFFD]/);
  if (at >= 0) throw new CrontabMistake('this is no text in UTF-8', at + 1);
}

function checkZone(name: string, column: number): void {
  try {
    parseCalendar({ every: 1_000, timeZone: name });
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    throw new CrontabMistake(error.message, column);
  }
}
