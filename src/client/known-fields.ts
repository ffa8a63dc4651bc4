import { nearMiss } from '../base/near-miss.ts';
import { invalidArgument } from './errors.ts';

/** The fields that an object of a caller may have. */
export type KnownFields<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Refuses fields that nobody reads: a misspelt option would be ignored, and its default taken without a word. `what` names the
 * object for the caller.
 *
 * @throws TaskraftError INVALID_ARGUMENT that names the first such field and the one that was probably meant
 */
export function refuseUnknownFields<Options extends object>(
  what: string,
  given: Options,
  known: KnownFields<Options>,
): void {
  for (const name of Object.keys(given)) if (!Object.hasOwn(known, name)) throw unknownField(what, name, known);
}

function unknownField(what: string, name: string, known: object): Error {
  const names = Object.keys(known);
  const meant = nearMiss(name, names);
  const hint = meant === undefined ? `Known are ${names.join(', ')}.` : `Did you mean "${meant}"?`;
  return invalidArgument(`"${name.slice(0, 100)}" is no field of ${what}. ${hint}`);
}
