/** Bugs of a start: what a peer does not find again when it begins anew, or finds otherwise. */
import type { Mutant } from '../mutant.ts';

const START = 'src/peer/make-raft.ts';

/** The bugs of starts. Each takes a crash at one moment, and something that happens later by what was forgotten. */
export const STARTED: readonly Mutant[] = [
  {
    name: 'own-vote-forgotten-at-restart',
    origin: 'hazelcast/hazelcast#16643, xnnyygn/xraft#29: a candidate or leader that gives its vote a second time',
    wrong: 'A peer that starts knows whom it voted for in its term, unless that was itself.',
    file: START,
    find: `      ...recovered,
      applied,`,
    replace: `      ...recovered,
      hardState:
        recovered.hardState.votedFor === self
          ? { term: recovered.hardState.term, votedFor: undefined }
          : recovered.hardState,
      applied,`,
  },
  {
    name: 'only-the-newest-configuration-is-recovered',
    origin: 'canonical/raft#250 and #354: after a restart there is no earlier configuration to go back to',
    wrong:
      'A peer that starts keeps the newest configuration of its log, and none of those which come back when that is cut.',
    file: START,
    find: `index > cluster.index),`,
    replace: `index > cluster.index).slice(-1),`,
  },
  {
    name: 'learner-of-a-checkpoint-votes',
    origin: 'tikv/raft-rs#269, etcd-io/etcd#17175: whether a member learns or votes, after a start from a snapshot',
    wrong: 'A learner that is one by the configuration of a checkpoint comes back from it as a voter.',
    file: START,
    find: `encodeMembers(cluster.members) },`,
    replace: `encodeMembers(cluster.members.map((member) => ({ ...member, votes: true }))) },`,
  },
  {
    name: 'configuration-of-a-checkpoint-gets-its-index',
    origin:
      'databendlabs/openraft#1808: a configuration and the index that it has in a snapshot do not belong together',
    wrong: 'After a start the configuration in a checkpoint counts as one that came with the last entry of that.',
    file: START,
    find: `        { index: cluster.index, data: encodeMembers(cluster.members) },`,
    replace: `        { index: cluster.index === 0 ? 0 : applied, data: encodeMembers(cluster.members) },`,
  },
  {
    name: 'state-from-before-a-failure-is-read',
    origin:
      'hashicorp/consul#18636, hashicorp/nomad#15227: who reads goes on with a state that another one has replaced',
    wrong: 'When a directory was opened anew after a failed write, readers go on with the state from before that.',
    file: 'src/peer/life.ts',
    find: `    this.#scheduler = opened.scheduler;
    this.#member = member;`,
    replace: `    if (snapshot !== undefined) this.#scheduler = opened.scheduler;
    this.#member = member;`,
  },
  {
    name: 'held-slot-in-memory-only',
    origin: 'atomix/atomix#1101: a snapshot that misses a part of the state; hashicorp/nomad#11052: forbidden overlap',
    wrong: 'A restart forgets until when the handler of a schedule that was told to stop may go on.',
    file: 'src/scheduler/schedules/overlap-slots.ts',
    find: `  state.schedules.touch(schedule);
  schedule.slotFreeAtMs = untilMs;`,
    replace: `  schedule.slotFreeAtMs = untilMs;`,
  },
];
