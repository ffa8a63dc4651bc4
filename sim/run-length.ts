/** How long a run is where there are many: drawn from its seed, so that most are short and some longer than a whole one. */
import { deriveSeed, SeededRandom } from '../src/base/random.ts';
import { FULL_LENGTH, type RunLength } from './simulation.ts';

/** Parts of a whole run, least and most. */
const PART_MIN = 1 / 6;
const PART_MAX = 3 / 2;

/** The length of the run of `seed`. Every doubling is as likely as every other: on average six tenths of a whole run. Pure. */
export function drawLength(seed: number): RunLength {
  const random = new SeededRandom(deriveSeed(seed, 'length'));
  const doublings = (random.uint32() / 0x1_0000_0000) * Math.log2(PART_MAX / PART_MIN);
  const part = PART_MIN * 2 ** doublings;
  return {
    simulatedMs: Math.round(FULL_LENGTH.simulatedMs * part),
    events: Math.round(FULL_LENGTH.events * part),
    requests: Math.round(FULL_LENGTH.requests * part),
  };
}
