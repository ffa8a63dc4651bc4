import { createHash } from 'node:crypto';
import type { ScheduleSpec } from '../../client/schedule-spec.ts';
import type { CrontabEntry } from './crontab.ts';

/** How long a command may run: cron sets no limit, but a command that hangs would keep every later run from starting. */
const RUN_TIMEOUT = '24h';

const SLUG_CHARS_MAX = 24;
const HASH_CHARS = 6;
const FILE_CHARS_MAX = 75;

/** A name for what a file made: `crontab:sysstat`, of one person `crontab:crontab/ada`. */
export function managedByOf(file: string, userName?: string): string {
  return `crontab:${sourceOf(file, userName)}`;
}

/** Many people have a file of one name: whose it is belongs to its name. */
function sourceOf(file: string, userName: string | undefined): string {
  return userName === undefined ? sanitized(file) : `${sanitized(file)}/${sanitized(userName)}`;
}

/**
 * The schedules that the entries of the file named `file` ask for.
 *
 * The id of a schedule is made of the file's name and whose it is, the first words of the command, and a hash of user and command: it stays when the
 * times, the variables or other lines change, so that importing again changes schedules in place. The same command of the same user
 * twice in a file gets a number.
 *
 * @param userName Whose crontab it is, where entries have no user
 */
export function schedulesOf(file: string, entries: readonly CrontabEntry[], userName?: string): ScheduleSpec[] {
  const taken = new Map<string, number>();
  return entries.map((entry) => {
    const user = entry.user ?? userName;
    const base = `${sourceOf(file, userName)}/${idOf(entry, user)}`;
    const before = taken.get(base) ?? 0;
    taken.set(base, before + 1);
    return {
      id: before === 0 ? base : `${base}-${before + 1}`,
      cron: entry.cron,
      timeZone: entry.timeZone,
      dayMatch: entry.dayMatch,
      managedBy: managedByOf(file, userName),
      task: {
        type: 'shell',
        payload: payloadOf(entry, user),
        ...(user === undefined ? {} : { requires: { user } }),
        // cron runs a command once, however it ends; many end with another status than 0 where there is nothing to do.
        retry: { maxAttempts: 1 },
        timeouts: { run: RUN_TIMEOUT },
      },
    };
  });
}

/** cron tells a command for whom it runs; no line of a crontab can change that. */
function payloadOf({ shell, command, stdin, environment }: CrontabEntry, user: string | undefined): object {
  const env = user === undefined ? environment : { ...environment, LOGNAME: user };
  return {
    ...(shell === '/bin/sh' ? { shell: command } : { argv: [shell, '-c', command] }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(stdin === undefined ? {} : { stdin }),
  };
}

function idOf({ command, stdin = '' }: CrontabEntry, user: string | undefined): string {
  const words = command.match(/[A-Za-z0-9][\w.-]*/g) ?? [];
  const slug = words
    .join('-')
    .slice(0, SLUG_CHARS_MAX)
    .replace(/[-.]+$/, '');
  const hash = createHash('sha256')
    .update(JSON.stringify([user ?? null, command, stdin]))
    .digest('hex')
    .slice(0, HASH_CHARS);
  return slug === '' ? hash : `${slug}-${hash}`;
}

/** The name of a file in the letters of ids. */
function sanitized(file: string): string {
  const name = file.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, FILE_CHARS_MAX);
  return name === '' ? 'crontab' : name;
}
