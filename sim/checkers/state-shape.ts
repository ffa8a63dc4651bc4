import { InvariantError } from '../../src/base/assert.ts';
import { Violation } from '../world.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** The parts of every state fit each other: counts equal recounts, everything in a line is in one place, no slot is given twice. */
export class StateShape extends PropertyChecker {
  override readonly name = 'state-shape';

  /** What was read from a checkpoint is whole before anything mends it in passing. */
  restarted(peer: PeerView): void {
    this.#look(peer);
  }

  whole(): void {
    for (const peer of this.cluster.peers) this.#look(peer);
  }

  #look({ id, scheduler }: PeerView): void {
    if (scheduler === undefined) return;
    try {
      scheduler.checkInvariants();
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      throw new Violation(this.name, `the state of ${id}: ${error.message}`, error);
    }
    this.compare(true, () => '');
  }
}
