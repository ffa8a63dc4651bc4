import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import { below } from '../base/random.ts';
import type { Core } from './core.ts';
import { becomeFollower, enterTerm } from './core.ts';
import { becomeLeader } from './leader.ts';
import type { PreVoteRequest, PreVoteResponse, VoteRequest, VoteResponse } from './message.ts';
import { voteResult } from './quorum.ts';
import type { Candidate } from './role.ts';

/** Asks every voter whether it could vote for this peer, before any term is disturbed (thesis §9.6). */
export function preCampaign(core: Core): void {
  assert(core.role.name !== 'leader', 'a leader does not stand for election');
  assert(core.mayCampaign, 'who stands for election is whole and votes');
  core.role = { name: 'pre-candidate', votes: new Map([[core.self, true]]) };
  core.follow(undefined);
  core.leadershipChanged = true;
  drawCandidateTimeout(core);
  askForPreVotes(core);
  if (core.alone) campaign(core, false);
}

/**
 * Stands for election in a new term (Raft §5.2). The requests wait until the term and the own vote are durable: a peer
 * that won and forgot it could lead the same term twice, with another log. The own vote is counted then, too.
 */
export function campaign(core: Core, transfer: boolean): void {
  assert(core.role.name !== 'leader', 'a leader does not stand for election');
  assert(core.mayCampaign, 'who stands for election is whole and votes');
  enterTerm(core, core.term + 1, core.self);
  core.role = { name: 'candidate', votes: new Map() };
  drawCandidateTimeout(core);
  for (const voter of core.configuration.voters) {
    if (voter === core.self) continue;
    core.persistence.promise({
      type: 'vote-request',
      from: core.self,
      to: voter,
      term: core.term,
      lastLogIndex: core.log.lastIndex,
      lastLogTerm: core.log.lastTerm,
      transfer,
    });
  }
}

/** One tick of a pre-candidate or candidate. */
export function tickCandidate(core: Core, role: Candidate): void {
  // The time for answers begins when the requests can leave; a slow disk must not make elections fail one after another.
  if (role.name === 'candidate' && !ownVoteDurable(core)) return;
  core.electionElapsedTicks += 1;
  if (core.electionElapsedTicks < core.electionTimeoutTicks) return;
  core.failedCampaigns += 1;
  preCampaign(core);
}

/** The batch that the host acknowledged may hold the own vote. */
export function candidatePersisted(core: Core, role: Candidate): void {
  if (role.name === 'candidate' && ownVoteDurable(core)) countVote(core, role, core.self, true);
}

/** A voter is asked whether it could vote. It answers from what it is, and nothing in it changes: no term, vote or timer. */
export function preVoteRequested(core: Core, message: PreVoteRequest): void {
  // A request of the leader itself is not against it: it started again, and its followers have not noticed.
  if (core.hearsLeader() && message.from !== core.leader) {
    if (message.term < core.term) answerPreVote(core, message, false);
    return;
  }
  const { votedFor, term } = core.hardState;
  const free =
    message.term > term ||
    (message.term === term && (votedFor === message.from || (votedFor === undefined && core.leader === undefined)));
  const isPreCandidate = core.role.name === 'pre-candidate';
  // Two equals that grant each other would split the vote: the later id goes first.
  const granted =
    free &&
    core.upToDate(message.lastLogIndex, message.lastLogTerm) &&
    !(isPreCandidate && prefersItself(core, message));
  // Whoever asks has given its leader up. When the own request came before that it was not answered, and now it would be
  // granted: waiting for the next round would cost most of an election timeout.
  if (free && !granted && isPreCandidate) askForPreVote(core, message.from);
  answerPreVote(core, message, granted);
}

/** A voter said whether it could vote: a refusal of a later term is adopted, anything else is counted while it matters. */
export function preVoteAnswered(core: Core, message: PreVoteResponse): void {
  if (!message.granted && message.term > core.term) {
    becomeFollower(core, message.term, undefined);
    return;
  }
  const { role } = core;
  if (role.name !== 'pre-candidate') return;
  // A grant names the term asked for, so one of an earlier round is known by it.
  if (message.granted && message.term !== core.term + 1) return;
  countVote(core, role, message.from, message.granted);
}

/** A candidate asks for the vote in a term that this peer is in. */
export function voteRequested(core: Core, message: VoteRequest): void {
  assert(message.term === core.term, 'the term was entered before the vote');
  const { votedFor } = core.hardState;
  const free = votedFor === message.from || (votedFor === undefined && core.leader === undefined);
  const granted = free && core.upToDate(message.lastLogIndex, message.lastLogTerm);
  if (granted) {
    // A pre-candidate still has its vote; it gives up its own wish with it.
    if (core.role.name === 'pre-candidate') becomeFollower(core, core.term, undefined);
    assert(core.role.name === 'follower', 'a candidate or leader has voted for itself');
    core.hardState = { term: core.term, votedFor: message.from };
    core.electionElapsedTicks = 0;
  }
  core.persistence.promise({
    type: 'vote-response',
    from: core.self,
    to: message.from,
    term: core.term,
    granted,
  });
}

/** A voter answered in the term of the election. */
export function voteAnswered(core: Core, role: Candidate, message: VoteResponse): void {
  if (role.name === 'candidate') countVote(core, role, message.from, message.granted);
}

function countVote(core: Core, role: Candidate, voter: PeerId, granted: boolean): void {
  const { voters } = core.configuration;
  // A voter says it once; a repeated answer changes nothing.
  if (!voters.includes(voter) || role.votes.has(voter)) return;
  role.votes.set(voter, granted);
  const result = voteResult(role.votes, voters);
  if (result === 'pending') return;
  if (result === 'lost') becomeFollower(core, core.term, undefined);
  else if (role.name === 'pre-candidate') campaign(core, false);
  else becomeLeader(core);
}

function askForPreVotes(core: Core): void {
  for (const voter of core.configuration.voters) {
    if (voter !== core.self) askForPreVote(core, voter);
  }
}

function askForPreVote(core: Core, voter: PeerId): void {
  core.persistence.promise({
    type: 'pre-vote-request',
    from: core.self,
    to: voter,
    term: core.term + 1,
    lastLogIndex: core.log.lastIndex,
    lastLogTerm: core.log.lastTerm,
  });
}

function answerPreVote(core: Core, message: PreVoteRequest, granted: boolean): void {
  core.persistence.promise({
    type: 'pre-vote-response',
    from: core.self,
    to: message.from,
    term: granted ? message.term : core.term,
    granted,
  });
}

/**
 * Only between logs that are equally up to date: there each could win, so an order decides. And only until the own wish has
 * come to nothing once: where links are broken, a peer that cannot win itself would shut out the one that can.
 */
function prefersItself(core: Core, message: PreVoteRequest): boolean {
  return (
    core.failedCampaigns === 0 &&
    message.lastLogTerm === core.log.lastTerm &&
    message.lastLogIndex === core.log.lastIndex &&
    core.self > message.from
  );
}

/** True when the vote of this candidate for itself is on the disk: from then on others are asked for theirs. */
export function ownVoteDurable(core: Core): boolean {
  const { durable } = core.persistence;
  return durable.term === core.term && durable.votedFor === core.self;
}

/**
 * How long a candidate waits for answers. After a split vote the first try is repeated sooner than a silent leader would
 * be doubted, as nobody can be leading; from then on the usual time, in case that messages are slow.
 */
function drawCandidateTimeout(core: Core): void {
  core.drawElectionTimeout();
  if (core.failedCampaigns > 0 || core.alone) return;
  const { electionTimeoutTicks, random } = core.options;
  const least = Math.max(1, Math.floor(electionTimeoutTicks / 5));
  core.electionTimeoutTicks = least + below(random, electionTimeoutTicks - least);
}
