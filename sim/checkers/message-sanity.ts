import type { Message } from '../../src/raft/message.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * Messages make sense by themselves: entries are contiguous, their terms do not fall and none is over the message's; a heartbeat
 * tells a follower no commit index beyond what the follower is known to hold.
 */
export class MessageSanity extends PropertyChecker {
  override readonly name = 'message-sanity';

  sent(peer: PeerView, message: Message): void {
    if (message.type === 'append-entries') {
      let { prevLogIndex: index, prevLogTerm: term } = message;
      for (const entry of message.entries) {
        const fits = entry.index === index + 1 && entry.term >= term && entry.term <= message.term;
        this.compare(fits, () => `${peer.id} sends entry ${entry.index}/t${entry.term} behind ${index}/t${term}`);
        ({ index, term } = entry);
      }
    } else if (message.type === 'heartbeat') {
      const role = peer.raft?.inspect().role;
      // What was written before the leadership ended may leave after it.
      if (role?.name !== 'leader' || peer.raft?.term !== message.term) return;
      const progress = role.peers.find((one) => one.peer === message.to);
      // So may what was written to a member before the same turn removed it: nothing is known of its log any more.
      if (progress === undefined) return;
      const { match } = progress;
      this.compare(
        message.commit <= match,
        () => `${peer.id} tells ${message.to} commit ${message.commit}, and knows its log up to ${match} only`,
      );
    }
  }
}
