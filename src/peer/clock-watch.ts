/**
 * What a leader does about its own wall clock when that strays from the others': it hands over to a peer that is caught up and
 * whose clock is right, or, where there is none, stays and says so. Its stamps follow the median meanwhile.
 */
import type { PeerId } from '../base/ids.ts';
import type { RaftStatus } from '../raft/status.ts';
import type { Instant, LogTime } from './log-time.ts';
import { CLOCK_OFF_MS } from './log-time.ts';

/** What to do about the clocks. */
export type ClockVerdict =
  | { readonly type: 'fine' }
  /** This peer leads, and `to` should. */
  | { readonly type: 'hand-over'; readonly to: PeerId; readonly offsetMs: number }
  | { readonly type: 'alarm'; readonly offsetMs: number };

/** Judges the own clock. Pure. */
export function judgeClock(
  logTime: LogTime,
  now: Instant,
  raft: Pick<RaftStatus, 'role' | 'commitIndex' | 'peers'>,
): ClockVerdict {
  const offsetMs = logTime.offsetMs(now);
  if (offsetMs === undefined || Math.abs(offsetMs) <= CLOCK_OFF_MS) return { type: 'fine' };
  if (raft.role !== 'leader') return { type: 'alarm', offsetMs };
  const heir = raft.peers.find((peer) => {
    const theirsMs = logTime.offsetOfMs(peer.peer, now);
    // One that has no vote, or is not whole, would not take over: it would only be asked again and again, in place of one that would.
    const couldLead = peer.votes && !peer.damaged && peer.recentlyActive && peer.matchIndex >= raft.commitIndex;
    return couldLead && theirsMs !== undefined && Math.abs(theirsMs) <= CLOCK_OFF_MS;
  });
  return heir === undefined ? { type: 'alarm', offsetMs } : { type: 'hand-over', to: heir.peer, offsetMs };
}
