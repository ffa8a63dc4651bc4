import type { Core } from './core.ts';
import type { Message } from './message.ts';
import type { Damage } from './types.ts';

/**
 * What `message` shows to be lost here; `undefined` for nearly all. Looked at before a message is taken, and after `objectionTo`.
 *
 * In heartbeats a leader names at most what this peer acknowledged to it. Where the log ends before that, this peer has lost what it had
 * made durable, and neither its log nor HEAD shows it: the directory is an older copy of itself, say, or its disk forgot a sync. From
 * then on it must count as a peer that knows of damage, which votes by what it once had, and acknowledges what it has.
 *
 * Of which term that entry was, the leader does not say. The position that is returned is at least as far in the order of logs: nothing
 * that this peer acknowledged to the leader is of a later term than the leader's. What it acknowledged behind it and was not committed
 * yet is not known here.
 */
export function lossIn(core: Core, message: Message): Damage | undefined {
  if (message.type !== 'heartbeat' || message.term < core.term || core.damage !== undefined) return undefined;
  const { commit, term } = message;
  return commit > core.log.lastIndex ? { lastIndex: commit, lastTerm: term } : undefined;
}
