/** Bugs of changing who belongs to the cluster. */
import type { Mutant } from '../mutant.ts';

/** The bugs of changes of who belongs to the cluster. */
export const MEMBERSHIP_CHANGES: readonly Mutant[] = [
  {
    name: 'configuration-survives-its-entry',
    origin: 'canonical/raft baa8f52, #250 and #323; rabbitmq/ra 82e5ca2f',
    wrong: 'A configuration stays in force though its entry was overwritten by another leader.',
    file: 'src/raft/core.ts',
    find: `    if (this.configurations.truncateFrom(index)) this.#adoptConfiguration();`,
    replace: `    this.configurations.truncateFrom(index);`,
  },
  {
    name: 'configuration-forgotten-at-restart',
    origin: 'camunda/camunda#57386 and #55856',
    wrong: 'A peer that starts goes by the configuration of its checkpoint and not by the newer one in its log.',
    file: 'src/peer/make-raft.ts',
    find: `        ...recovered.configurations.filter(({ index }) => index > cluster.index),`,
    replace: `        ...recovered.configurations.filter(({ index }) => index > cluster.index && index <= applied),`,
  },
  {
    name: 'even-cluster-commits-with-half',
    origin: 'hashicorp/raft 163a55f: a median that was off by one with an even number of voters',
    wrong: 'With an even number of voters half of them are enough.',
    file: 'src/raft/quorum.ts',
    find: `  return Math.floor(count / 2) + 1;`,
    replace: `  return count < 4 ? Math.floor(count / 2) + 1 : Math.floor((count + 1) / 2);`,
  },
  {
    name: 'promoted-before-it-caught-up',
    origin:
      'Raft thesis §4.2.1; rabbitmq/ra 114d1d37 and databendlabs/openraft#1805: members that count before they have the log',
    wrong: 'A learner gets its vote whenever somebody asks for that, however little of the log it has.',
    file: 'src/raft/membership.ts',
    find: `progress.votes || keepsPace(core, leader, progress);`,
    replace: `progress.votes || keepsPace(core, leader, progress) || progress.match >= 0;`,
  },
];
