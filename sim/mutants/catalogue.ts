/** Every planted bug. A name stands once. */
import type { Mutant } from './mutant.ts';
import { CLIENTS } from './catalogue/clients.ts';
import { ELECTIONS } from './catalogue/elections.ts';
import { FAR } from './catalogue/far.ts';
import { JOINED } from './catalogue/joints.ts';
import { KEPT } from './catalogue/kept.ts';
import { LATE } from './catalogue/late.ts';
import { GUARDED } from './catalogue/guards.ts';
import { LEASED } from './catalogue/leases.ts';
import { MEMBERSHIP_CHANGES } from './catalogue/membership.ts';
import { READS } from './catalogue/reads.ts';
import { REPLICATED } from './catalogue/replication.ts';
import { SCHEDULES } from './catalogue/schedules.ts';
import { STARTED } from './catalogue/starts.ts';
import { STATES } from './catalogue/state.ts';
import { STORED } from './catalogue/storage.ts';

/** Every planted bug, in the order of the files that hold them. */
export const CATALOGUE: readonly Mutant[] = [
  ...ELECTIONS,
  ...REPLICATED,
  ...MEMBERSHIP_CHANGES,
  ...READS,
  ...STORED,
  ...JOINED,
  ...STARTED,
  ...KEPT,
  ...STATES,
  ...LATE,
  ...FAR,
  ...GUARDED,
  ...LEASED,
  ...SCHEDULES,
  ...CLIENTS,
];
