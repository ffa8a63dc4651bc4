import { DELAY_MS_MAX } from '../protocol/limits.ts';
import { invalidArgument } from './errors.ts';

/** Milliseconds as a number, or text such as `'250ms'`, `'30s'`, `'5m'`, `'1.5h'`, `'7d'`. */
export type Duration = number | string;

const TEXT = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * `value` in whole milliseconds, 0 to ten years. `name` is what the caller's option is called.
 *
 * @throws TaskraftError INVALID_ARGUMENT
 */
export function durationMs(value: Duration, name: string): number {
  const ms = typeof value === 'number' ? value : textMs(value);
  if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > DELAY_MS_MAX) {
    throw invalidArgument(`${name} is a duration from 0 to ten years: milliseconds, or text such as '30s' or '5m'.`);
  }
  return Math.round(ms);
}

function textMs(text: string): number | undefined {
  const match = TEXT.exec(text);
  return match === null ? undefined : Number(match[1]) * (UNIT_MS[match[2] as string] as number);
}
