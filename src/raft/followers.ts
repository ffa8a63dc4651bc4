import type { LogIndex, PeerId } from '../base/ids.ts';
import type { Core } from './core.ts';
import { InflightWindow, Progress } from './progress.ts';
import type { Leader } from './role.ts';

/**
 * One progress for each member of the configuration in force but this peer, in order of their ids. What is known of those in
 * `known` stays known; of the others nothing is, and `next` is tried first.
 */
export function followersOf(core: Core, known: readonly Progress[], next: LogIndex): Progress[] {
  const { configuration, options, self } = core;
  const followers: Progress[] = [];
  for (const { peer, votes } of configuration.members) {
    if (peer === self) continue;
    const old = known.find((progress) => progress.peer === peer);
    if (old === undefined) {
      const window = new InflightWindow(options.maxInflightMessages, options.maxInflightBytes);
      followers.push(new Progress(peer, votes, next, window));
    } else {
      old.votes = votes;
      followers.push(old);
    }
  }
  return followers;
}

/** The progress of `peer`; `undefined` when it is no other member. */
export function progressOf(leader: Leader, peer: PeerId): Progress | undefined {
  return leader.peers.find((progress) => progress.peer === peer);
}

/**
 * The voter that would take over soonest: one that is whole, replicates, and was heard within an election timeout, with the most of
 * the log; among equals the first by id.
 */
export function bestSuccessor(core: Core, leader: Leader): Progress | undefined {
  let best: Progress | undefined;
  for (const progress of leader.peers) {
    if (!progress.votes || progress.damaged || progress.state !== 'replicate') continue;
    if (progress.silentTicks >= core.options.electionTimeoutTicks) continue;
    if (best === undefined || progress.match > best.match) best = progress;
  }
  return best;
}
