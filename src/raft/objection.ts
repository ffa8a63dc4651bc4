import { configurationOf, decodeMembers } from './configuration.ts';
import { followProblem } from './configurations.ts';
import type { Core } from './core.ts';
import { ownVoteDurable } from './election.ts';
import type { AppendEntries, AppendRejected, Message } from './message.ts';
import { TERM_MAX } from './message.ts';
import { EntryKind } from './types.ts';

/**
 * What is wrong with `message`, where no peer that works would say it to this one; `undefined` for all others. Looked at before a
 * message is taken, since the core relies on it: whoever has a mistake in it shall lose its connection, and not stop this peer.
 *
 * Here is what contradicts what this peer knows. What a message cannot be by itself is refused where it is decoded. A lie that fits
 * is believed: peers trust each other as far as Raft does.
 */
export function objectionTo(core: Core, message: Message): string | undefined {
  const { from, term } = message;
  if (term > TERM_MAX) return `term ${term} is out of all reason`;
  if (term < core.term) return undefined;
  const { type } = message;
  if (type === 'append-entries') return twoLeaders(core, message) ?? objectionToAppend(core, message);
  if (type === 'heartbeat') return twoLeaders(core, message);
  if (type === 'timeout-now') return core.role.name === 'leader' ? twoLeaders(core, message) : undefined;
  if (type === 'append-rejected') return objectionToRejection(core, message);
  if (type !== 'vote-response') return undefined;
  const asked = core.role.name !== 'candidate' || ownVoteDurable(core);
  return message.granted && term === core.term && !asked ? `${from} votes before it was asked to` : undefined;
}

/** Who claims to lead the own term while another one is known to. */
function twoLeaders(core: Core, { from, term }: Message): string | undefined {
  if (term !== core.term || core.leader === undefined || core.leader === from) return undefined;
  return `${from} and ${core.leader} both lead term ${term}`;
}

/** Who led before a crash may have forgotten what it sent; who leads has it all. */
function objectionToRejection(core: Core, { term, rejectedIndex, hintIndex }: AppendRejected): string | undefined {
  if (hintIndex > rejectedIndex) return `entry ${hintIndex} is a hint behind entry ${rejectedIndex}, which is refused`;
  if (term > core.term || core.role.name !== 'leader' || rejectedIndex <= core.log.lastIndex) return undefined;
  return `entry ${rejectedIndex} is refused, and was never sent`;
}

/** Members that the core would put into force must follow from those before. */
function objectionToAppend(core: Core, message: AppendEntries): string | undefined {
  const { prevLogIndex, prevLogTerm, entries } = message;
  // Nothing of it would be taken.
  if (prevLogIndex < core.commitIndex || !core.log.matches(prevLogIndex, prevLogTerm)) return undefined;
  let before;
  for (const { index, term, kind, data } of entries) {
    if (before === undefined) {
      if (core.log.matches(index, term)) continue;
      // From here on the log is cut, and these entries take its place.
      before = core.configurations.at(index - 1);
    }
    if (kind !== EntryKind.configuration) continue;
    const after = configurationOf(index, decodeMembers(data));
    const problem = followProblem(before, after);
    if (problem !== undefined) return problem;
    before = after;
  }
  return undefined;
}
