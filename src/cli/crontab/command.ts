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
  const pieces = [''];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (letter === '%') pieces.push('');
    else if (letter !== '\\') pieces.push(`${pieces.pop() ?? ''}${letter}`);
    else {
      // A backslash takes the next letter with it, so that the second of two does not escape anything.
      at += 1;
      const next = text.charAt(at);
      pieces.push(`${pieces.pop() ?? ''}${next === '%' ? '%' : `\\${next}`}`);
    }
  }
  const [command = '', ...input] = pieces;
  if (input.length === 0) return { command, stdin: undefined };
  const stdin = input.join('\n');
  return { command, stdin: stdin.endsWith('\n') || stdin === '' ? stdin : `${stdin}\n` };
}
