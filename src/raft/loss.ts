import type { Core } from './core.ts';
import { atLeast } from './core.ts';
import type { Message } from './message.ts';
import type { Damage } from './types.ts';

/**
 * What `message` shows to be lost here; `undefined` for nearly all. Looked at before a message is taken, and after `objectionTo`.
 *
 * In heartbeats a leader names what this peer acknowledged to it. Where the log does not hold that, this peer has lost what it had made
 * durable, and neither its log nor HEAD shows it: the directory is an older copy of itself, say, or its disk forgot a sync. From then on
 * it must count as a peer that knows of damage, which votes by what it once had, and acknowledges what it has.
 *
 * An acknowledgement may reach the leader after the loss is on record: then the record was too short, and this is one more loss. What the
 * leader never learned of counts for no commit of its.
 *
 * The term is that of the entry and not of the leader: an election must not wait for entries that this peer never had. Only where the
 * leader does not know it any more, as all that was compacted, its own term stands for it, which is no earlier.
 */
export function lossIn(core: Core, message: Message): Damage | undefined {
  if (message.type !== 'heartbeat' || message.term < core.term) return undefined;
  const { matchIndex, matchTerm, term } = message;
  if (holds(core, matchIndex, matchTerm)) return undefined;
  const lastTerm = matchTerm === 0 ? term : matchTerm;
  const { damage } = core;
  if (damage !== undefined && atLeast(damage.lastIndex, damage.lastTerm, matchIndex, lastTerm)) return undefined;
  return { lastIndex: matchIndex, lastTerm };
}

/** What was compacted is held: it was committed, and applied here. */
function holds({ log }: Core, index: number, term: number): boolean {
  if (index > log.lastIndex) return false;
  return term === 0 || index < log.firstIndex - 1 || log.term(index) === term;
}
