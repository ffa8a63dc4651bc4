/** Bugs of what guards a cluster against itself: states that differ, disks that hang, links that are gone, damage, leases that are over. */
import type { Mutant } from '../mutant.ts';

const DIGESTS = 'src/peer/digest-watch.ts';
const LEADER = 'src/raft/leader.ts';

/** The bugs of guards. */
export const GUARDED: readonly Mutant[] = [
  {
    name: 'differing-digest-is-let-be',
    origin: 'etcd-io/etcd#13766: members went on with data that differed from that of the others',
    wrong: 'A peer whose state is not that of the majority goes on.',
    file: DIGESTS,
    find: `return sameHash(digest, own.digest) ? FINE : {`,
    replace: `return sameHash(digest, own.digest) || voterCount > 0 ? FINE : {`,
  },
  {
    name: 'states-without-a-majority-go-on',
    origin: 'etcd-io/etcd#13766: nobody could tell whose data was right, and all served',
    wrong: 'Peers of which no majority has one state go on as if all were well.',
    file: DIGESTS,
    find: `  return digests.length === voterCount ? {`,
    replace: `  return digests.length > voterCount ? {`,
  },
  {
    name: 'leader-with-a-hung-disk-stays',
    origin: 'Raft thesis §6.2: a leader that makes no progress keeps its clients from one that would',
    wrong: 'A leader whose disk hangs leads on, and answers nobody.',
    file: LEADER,
    find: `core.persistence.ticksInFlight >= persistTimeoutTicks ||`,
    replace: `core.persistence.ticksInFlight >= 1_000_000 * persistTimeoutTicks ||`,
  },
  {
    name: 'leader-without-check-quorum',
    origin: 'Howard and Abraham, "Raft does not guarantee liveness in the face of network faults" (2020)',
    wrong: 'A leader that hears nobody leads on for ever.',
    file: LEADER,
    find: ` || !hearsQuorum(core, leader)) {`,
    replace: ` || (!hearsQuorum(core, leader) && core.term < 0)) {`,
  },
  {
    name: 'vote-by-what-damage-left',
    origin: 'Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018',
    wrong: 'A peer that lost entries to damage votes as if it had never had them.',
    file: 'src/raft/core.ts',
    find: `    if (damage !== undefined && !atLeast(lastIndex, lastTerm, damage.lastIndex, damage.lastTerm)) return false;`,
    replace: `    if (damage !== undefined && lastTerm < 0) return false;`,
  },
  {
    name: 'part-of-a-write-acknowledges-all',
    origin: 'databendlabs/openraft ee460f37: answers that left before their write had ended',
    wrong: 'When only the beginning of what arrived is written, all of it is acknowledged.',
    file: 'src/raft/persistence.ts',
    find: `matchIndex: Math.min(message.matchIndex, lastIndex) });`,
    replace: `matchIndex: Math.max(message.matchIndex, 0 * lastIndex) });`,
  },
  {
    name: 'worker-stops-long-after-its-lease',
    origin: 'Kleppmann, "How to do distributed locking" (2016): who holds a lease goes on when it is over',
    wrong: 'A worker that cannot renew its lease stops what it runs long after others may run it.',
    file: 'src/client/worker-attachment.ts',
    find: `const FENCE_AFTER = 0.9;`,
    replace: `const FENCE_AFTER = 9;`,
  },
  {
    name: 'cancel-other-cancels-nothing',
    origin: 'hashicorp/nomad#11052: a policy against overlap that is not kept',
    wrong: 'What an occurrence is to cancel runs on, and the occurrence waits for it.',
    file: 'src/scheduler/schedules/overlap.ts',
    find: `schedule.cancelThrough = Math.max(schedule.cancelThrough, state.schedules.made.last(schedule));`,
    replace: `schedule.cancelThrough = Math.max(schedule.cancelThrough, schedule.cancelledThrough);`,
  },
];
