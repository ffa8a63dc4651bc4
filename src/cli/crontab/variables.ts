import { CrontabMistake } from './mistake.ts';

/** A line that sets a variable. */
export interface CrontabVariable {
  readonly name: string;
  readonly value: string;
  readonly valueColumn: number;
}

/** Nothing of an entry looks like this: its second word never begins with an equals sign. */
const VARIABLE = /^[ \t]*("[^"]*"|'[^']*'|[^\s="']+)[ \t]*=[ \t]*(.*?)[ \t]*$/;

/**
 * The variable that `line` sets, or undefined when it is an entry. Quotes around a name or a value keep blanks and are not part of it;
 * nothing within is replaced, and a comment cannot follow.
 *
 * @throws CrontabMistake for a name that no variable can have, and a quote without its other half
 */
export function readVariable(line: string): CrontabVariable | undefined {
  const match = VARIABLE.exec(line);
  if (match === null) return undefined;
  const [whole, quotedName = '', quotedValue = ''] = match;
  const name = unquoted(quotedName) ?? quotedName;
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    throw new CrontabMistake(`"${name}" is no name of a variable`, whole.indexOf(quotedName) + 1);
  }
  const valueColumn = whole.trimEnd().length - quotedValue.length + 1;
  const value = unquoted(quotedValue);
  if (value === undefined && /^["']/.test(quotedValue)) {
    throw new CrontabMistake('the closing quote of the value is missing, or something follows it', valueColumn);
  }
  return { name, value: value ?? quotedValue, valueColumn };
}

/** What stands between quotes, or undefined where there are none around the whole. */
function unquoted(text: string): string | undefined {
  return /^"([^"]*)"$/.exec(text)?.[1] ?? /^'([^']*)'$/.exec(text)?.[1];
}
