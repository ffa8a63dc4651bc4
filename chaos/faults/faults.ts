/** All faults, by the names that people choose them by. */
import { clockOffset } from './clock.ts';
import { damage, wipe } from './damage.ts';
import { fewDescriptors } from './descriptors.ts';
import { diskErrors } from './disk-errors.ts';
import type { Fault } from './fault.ts';
import { fullDisk } from './full-disk.ts';
import { cut, delay, halfOpen, partition } from './links.ts';
import { membership, transfer } from './membership.ts';
import { kill, rollingRestart, stall } from './processes.ts';

const ALL: readonly Fault[] = [
  kill,
  stall,
  rollingRestart,
  partition,
  delay,
  cut,
  halfOpen,
  clockOffset,
  fullDisk,
  damage,
  wipe,
  membership,
  transfer,
  diskErrors,
  fewDescriptors,
];

/** See the head of this file. */
export const FAULTS: Readonly<Record<string, Fault>> = Object.fromEntries(ALL.map((fault) => [fault.name, fault]));
