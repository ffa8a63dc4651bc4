/** Bugs of reads and of handing leadership over. */
import type { Mutant } from '../mutant.ts';

/** The bugs of reads and of hand-overs. */
export const READS: readonly Mutant[] = [
  {
    name: 'read-before-the-term-is-open',
    origin: 'tikv/tikv#9208 and #9239; Raft thesis §6.4, the first step',
    wrong: 'A new leader serves reads at its commit index before it has committed anything of its own.',
    file: 'src/raft/raft.ts',
    find: `    if (!role.reads.request(id, committedOwnTerm ? commitIndex : undefined)) return 'overloaded';`,
    replace: `    if (!role.reads.request(id, committedOwnTerm || commitIndex > 0 ? commitIndex : undefined)) return 'overloaded';`,
  },
  {
    name: 'follower-read-before-the-term-is-open',
    origin: 'tikv/tikv#9208 and #9239: stale reads at followers after a change of leaders',
    wrong: 'A new leader tells followers an index before it has committed anything of its own.',
    file: 'src/raft/leader.ts',
    find: `  const index = core.commitIndex >= leader.termStartIndex ? core.commitIndex : undefined;`,
    replace: `  const index = core.commitIndex > 0 ? core.commitIndex : undefined;`,
  },
  {
    name: 'read-does-not-wait-for-the-state',
    origin: 'tikv/tikv#9208; Raft thesis §6.4, the fourth step',
    wrong: 'A read that a majority confirmed is answered from a state that has not come that far.',
    file: 'src/peer/reads.ts',
    find: `    const ready = this.#confirmed.filter((confirmed) => confirmed.index <= appliedIndex);`,
    replace: `    const ready = this.#confirmed.filter((confirmed) => confirmed.index <= appliedIndex + 1);`,
  },
  {
    name: 'read-without-a-leader-is-answered-at-once',
    origin: 'Jepsen, etcd and Consul (2014): reads that a member answers from what it has',
    wrong: 'A peer that knows of no leader answers any read from what it has.',
    file: 'src/server/reading.ts',
    find: `  if (stale === true) {`,
    replace: `  if (stale === true || peer.leader === undefined) {`,
  },
  {
    name: 'transfer-never-ends',
    origin: 'hashicorp/raft#493, canonical/raft 31d4e4a: the mark of a transfer stays when it fails',
    wrong: 'After a transfer to a peer that does not take over, proposals are refused for good.',
    file: 'src/raft/leader.ts',
    find: `    if (transfer.elapsedTicks >= electionTimeoutTicks) leader.transfer = undefined;`,
    replace: `    if (transfer.elapsedTicks >= electionTimeoutTicks && !transfer.sent) leader.transfer = undefined;`,
  },
];
