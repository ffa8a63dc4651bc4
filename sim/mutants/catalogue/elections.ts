/** Bugs of elections, terms and votes. */
import type { Mutant } from '../mutant.ts';

export const ELECTIONS: readonly Mutant[] = [
  {
    name: 'vote-in-memory-only',
    origin: 'etcd-io/raft: votes answered before the hard state is durable; Raft §5.2',
    wrong: 'A vote leaves before it is on the disk, so a peer that crashes may vote twice in a term.',
    file: 'src/raft/election.ts',
    find: `  core.persistence.promise({
    type: 'vote-response',`,
    replace: `  core.messages.push({
    type: 'vote-response',`,
  },
];
