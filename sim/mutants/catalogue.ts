/** Every planted bug. A name stands once. */
import type { Mutant } from './mutant.ts';
import { ELECTIONS } from './catalogue/elections.ts';

export const CATALOGUE: readonly Mutant[] = [...ELECTIONS];
