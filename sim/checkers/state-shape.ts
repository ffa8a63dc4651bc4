import { InvariantError } from '../../src/base/assert.ts';
import { Violation } from '../world.ts';
import { PropertyChecker } from './checker.ts';

/** The parts of every state fit each other: counts equal recounts, everything in a line is in one place, no slot is given twice. */
export class StateShape extends PropertyChecker {
  override readonly name = 'state-shape';

  whole(): void {
    for (const peer of this.cluster.peers) {
      const { scheduler } = peer;
      if (scheduler === undefined) continue;
      try {
        scheduler.checkInvariants();
      } catch (error) {
        if (!(error instanceof InvariantError)) throw error;
        throw new Violation(this.name, `the state of ${peer.id}: ${error.message}`, error);
      }
      this.compare(true, () => '');
    }
  }
}
