/** What stands behind the times and the user of an entry. */
export interface CrontabCommand {
  readonly command: string;
  /** Ends with a newline, as cron ends it; undefined when there was no `%`. */
  readonly stdin: string | undefined;
}

/**
 * Cuts at the first `%`: before it stands the command, behind it its standard input, in which each further `%` is a newline. `\%` is a
 * percent sign in both. Any other backslash stays for the shell.
 */
export function splitCommand(text: string): CrontabCommand {
  // Of two backslashes the second escapes nothing.
  const [command = ''] = /^(?:\\[^]|[^%\\]|\\$)*/.exec(text) ?? [];
  if (command.length === text.length) return { command: unescaped(command), stdin: undefined };
  // Behind the first percent sign cron looks at the letter before each further one, and at no more.
  const stdin = text.slice(command.length + 1).replaceAll(/\\?%/g, (sign) => (sign === '%' ? '\n' : '%'));
  return { command: unescaped(command), stdin: stdin.endsWith('\n') || stdin === '' ? stdin : `${stdin}\n` };
}

function unescaped(command: string): string {
  return command.replaceAll(/\\([^])/g, (both, letter: string) => (letter === '%' ? letter : both));
}
