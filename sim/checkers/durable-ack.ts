import type { Message } from '../../src/raft/message.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** What a peer acknowledges is on its disk, and it is what the leader that hears it has sent. */
export class DurableAck extends PropertyChecker {
  override readonly name = 'durable-ack';

  sent(peer: PeerView, message: Message): void {
    if (message.type !== 'append-accepted') return;
    const { matchIndex, term } = message;
    const durable = peer.durable.chainAt(matchIndex);
    this.compare(
      durable !== undefined && (matchIndex === 0 || durable === peer.log.chainAt(matchIndex)),
      () => `${peer.id} acknowledges ${matchIndex} in term ${term}, and its disk ends at ${peer.durable.lastIndex}`,
    );
    const leader = this.cluster.peers.find((other) => other.id === message.to);
    if (leader?.raft?.role !== 'leader' || leader.raft.term !== term) return;
    this.compare(
      leader.log.chainAt(matchIndex) === durable,
      () => `${peer.id} acknowledges ${matchIndex} to ${leader.id}, whose log differs up to there`,
    );
  }
}
