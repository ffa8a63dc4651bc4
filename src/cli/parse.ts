/** Reads the values of options. What cannot be read is a mistake of usage. */
import { InvalidArgumentError } from 'commander';
import { isName } from '../base/ids.ts';

/** A whole number of 0 and more, at most 15 digits. @throws InvalidArgumentError */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number is needed');
  return Number(text);
}

/** A name, as that of a peer. @throws InvalidArgumentError */
export function name(text: string): string {
  if (!isName(text)) throw new InvalidArgumentError('a name has 1 to 200 characters of [A-Za-z0-9._:/-]');
  return text;
}

/** A length of time with its unit; a bare number could be meant as seconds as well as ms. @throws InvalidArgumentError */
export function duration(text: string): string {
  if (!/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) throw new InvalidArgumentError('write it with its unit: 250ms, 30s, 5m');
  return text;
}

/** `name=value`, collected. @throws InvalidArgumentError */
export function pair(text: string, before: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write name=value');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Reads words, one or several with commas between; the first that is given takes the place of `defaults`. */
export function words(defaults: readonly string[]): (text: string, before: readonly string[]) => readonly string[] {
  return (text, before) => [...(before === defaults ? [] : before), ...text.split(',').filter((word) => word !== '')];
}
