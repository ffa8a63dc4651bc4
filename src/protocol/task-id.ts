/**
 * The public id of a task: one opaque string, `t1` and then version, Raft group, epoch, number and a check character, all of
 * the alphabet of names, so that it fits anywhere a name does. Programs keep numbers; strings are made only for people and
 * for the SDK's users, when they ask.
 *
 * Layout: `t` VERSION GROUP `-` EPOCH `-` NUMBER CHECK, each of the three in base 32 (Crockford's digits, lower case).
 */

/** The parts of an id. */
export interface TaskIdParts {
  /** Raft group, 0 and more. */
  readonly group: number;
  /** One more with every restore, recovery from majority loss and promotion of a standby. */
  readonly epoch: number;
  /** Assigned when the submission is applied. */
  readonly number: number;
}

/** No i, l, o, u: what people read to each other stays what it was. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
/** The values that a check character can have, one more than there are digits and `-`, and a prime number. */
const CHECKS = `${DIGITS}ilou_`;
/** Of `-`; as a check character `i` has it, but then it stands at the end. */
const DASH_VALUE = 32;
const VERSION = '1';
const PART = '([0-9a-hjkmnp-tv-z]{1,11})';
const PATTERN: RegExp = new RegExp(`^t${VERSION}${PART}-${PART}-${PART}[0-9a-z_]$`);

/** The id of a task. */
export function formatTaskId(group: number, epoch: number, number: number): string {
  const body = `t${VERSION}${toBase32(group)}-${toBase32(epoch)}-${toBase32(number)}`;
  return body + checkCharacter(body);
}

/** The parts of `id`, or undefined when it is none: another shape, or a character that was changed or swapped with its neighbour. */
export function parseTaskId(id: string): TaskIdParts | undefined {
  const match = PATTERN.exec(id);
  if (match === null || checkCharacter(id.slice(0, -1)) !== id.at(-1)) return undefined;
  const group = fromBase32(match[1] as string);
  const epoch = fromBase32(match[2] as string);
  const number = fromBase32(match[3] as string);
  if (!Number.isSafeInteger(group) || !Number.isSafeInteger(epoch) || !Number.isSafeInteger(number)) return undefined;
  // One task has one id: leading zeros would give it more.
  return formatTaskId(group, epoch, number) === id ? { group, epoch, number } : undefined;
}

function toBase32(value: number): string {
  let rest = value;
  let digits = '';
  do {
    digits = DIGITS.charAt(rest % 32) + digits;
    rest = Math.floor(rest / 32);
  } while (rest > 0);
  return digits;
}

function fromBase32(digits: string): number {
  let value = 0;
  for (let at = 0; at < digits.length; at += 1) value = value * 32 + DIGITS.indexOf(digits.charAt(at));
  return value;
}

/**
 * The character that makes the weighted sum of all values, its own included, a multiple of 37. The weights are 1 to 36 in turn and
 * values differ by less than 37, so that one changed character and two swapped neighbours always show.
 */
function checkCharacter(body: string): string {
  let sum = 0;
  for (let at = 0; at < body.length; at += 1) {
    const digit = DIGITS.indexOf(body.charAt(at));
    sum += (digit < 0 ? DASH_VALUE : digit) * weight(at);
  }
  let check = 0;
  while ((sum + check * weight(body.length)) % CHECKS.length !== 0) check += 1;
  return CHECKS.charAt(check);
}

function weight(at: number): number {
  return (at % (CHECKS.length - 1)) + 1;
}
