/** Bugs of elections, terms and votes. */
import type { Mutant } from '../mutant.ts';

const FILE = 'src/raft/election.ts';

/** The bugs of elections and votes. */
export const ELECTIONS: readonly Mutant[] = [
  {
    name: 'vote-in-memory-only',
    origin: 'databendlabs/openraft ee460f37: answers that left before their write had ended; Raft §5.2',
    wrong: 'A vote leaves before it is on the disk, so a peer that crashes may vote twice in a term.',
    file: FILE,
    find: `  core.persistence.promise({
    type: 'vote-response',`,
    replace: `  core.messages.push({
    type: 'vote-response',`,
  },
  {
    name: 'candidacy-in-memory-only',
    origin: 'canonical/raft a54636b: an election by what was not on the disk yet',
    wrong: 'Requests for votes leave before the own term is on the disk, so a peer that crashes may lead a term twice.',
    file: FILE,
    find: `    core.persistence.promise({
      type: 'vote-request',`,
    replace: `    core.messages.push({
      type: 'vote-request',`,
  },
  {
    name: 'hearing-a-leader-forgets-the-vote',
    origin: 'camunda/camunda#5356: the vote was taken back when the leader was heard',
    wrong: 'A follower that hears its leader for the first time forgets whom it voted for.',
    file: 'src/raft/core.ts',
    find: `  core.follow(leader);
  if (leader !== undefined) {`,
    replace: `  if (leader !== undefined && core.leader === undefined) core.hardState = { term, votedFor: undefined };
  core.follow(leader);
  if (leader !== undefined) {`,
  },
  {
    name: 'pre-candidate-forgets-its-vote',
    origin: 'canonical/raft 98d8f51; rabbitmq/ra bbd00102 and 85ddd0ac: a pre-vote that reset the vote on disk',
    wrong: 'Asking for pre-votes frees the vote of the present term, which may be given a second time.',
    file: FILE,
    find: `  core.role = { name: 'pre-candidate', votes: new Map([[core.self, true]]) };`,
    replace: `  core.role = { name: 'pre-candidate', votes: new Map([[core.self, true]]) };
  core.hardState = { term: core.term, votedFor: undefined };`,
  },
];
