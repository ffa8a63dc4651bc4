import { ByteReader } from '../base/bytes.ts';
import type { Member } from './configuration.ts';
import { decodeMembers } from './configuration.ts';
import type { Message } from './message.ts';
import type { Raft } from './raft.ts';
import type { PersistBatch, Ready } from './ready.ts';
import type { Entry } from './types.ts';
import { EntryKind } from './types.ts';

/** Longest piece of an entry's data that is shown. */
const SHOWN_BYTES = 24;

/** One line for a message: `n1->n2 append-entries t3 prev 4/t2 commit 4 [5/t3 "x"]`. */
export function describeMessage(message: Message): string {
  return `${message.from}->${message.to} ${message.type} t${message.term}${details(message)}`;
}

/** One word or two for an entry: its index, its term, and what it holds. */
export function describeEntry(entry: Entry): string {
  const at = `${entry.index}/t${entry.term}`;
  switch (entry.kind) {
    case EntryKind.noop:
      return `${at} noop`;
    case EntryKind.command:
      return `${at} ${quote(entry.data)}`;
    case EntryKind.configuration:
      return `${at} members ${describeMembers(decodeMembers(entry.data))}`;
    case EntryKind.feature:
      return `${at} features ${new ByteReader(entry.data).u32()}`;
  }
}

/** The ids of members, learners in brackets: `n1 n2 (n3)`. */
export function describeMembers(members: readonly Member[]): string {
  return members.map(({ peer, votes }) => (votes ? peer : `(${peer})`)).join(' ');
}

/** One line for where a peer stands. */
export function describeRaft(raft: Raft): string {
  const status = raft.status();
  const leader = status.leader === undefined ? 'nobody' : status.leader;
  const log = `log ${status.firstIndex}..${status.lastIndex} durable ${status.durableIndex}`;
  const damaged = `${status.damaged ? ' damaged' : ''}${status.stateMissing ? ' without a state' : ''}`;
  const line = `${status.self} ${status.role}${damaged} t${status.term} leader ${leader} ${log} commit ${status.commitIndex} applied ${status.appliedIndex}`;
  const peers = status.peers.map((peer) => {
    const inflight = peer.inflightMessages > 0 ? ` inflight ${peer.inflightMessages}` : '';
    const learner = peer.votes ? '' : ' learner';
    return `${peer.peer}${learner} ${peer.state} match ${peer.matchIndex} next ${peer.nextIndex}${inflight}`;
  });
  return peers.length === 0 ? line : `${line}; ${peers.join('; ')}`;
}

/** A line for each thing that a `Ready` asks for. */
export function describeReady(ready: Ready): string[] {
  const lines: string[] = [];
  const { leadership, persist, fetch } = ready;
  if (leadership !== undefined) {
    lines.push(`is ${leadership.role} t${leadership.term} leader ${leadership.leader ?? 'nobody'}`);
  }
  for (const message of ready.messages) lines.push(`send ${describeMessage(message)}`);
  if (persist !== undefined) lines.push(...describePersist(persist));
  if (ready.committed.length > 0) lines.push(`apply ${ready.committed.map(describeEntry).join(', ')}`);
  if (fetch !== undefined) lines.push(`fetch ${fetch.from}..${fetch.to} for ${fetch.forPeer ?? 'apply'}`);
  for (const read of ready.reads) lines.push(`read ${read.id} at ${read.index}`);
  for (const id of ready.readsLost) lines.push(`read ${id} lost`);
  if (ready.configuration !== undefined) {
    lines.push(`members ${describeMembers(ready.configuration.members)} from ${ready.configuration.index} on`);
  }
  if (ready.snapshotNeeded !== undefined) lines.push(`needs a state of ${ready.snapshotNeeded.atLeast} or later`);
  if (ready.healed) lines.push('is whole again');
  return lines;
}

function describePersist(batch: PersistBatch): string[] {
  const parts = [`persist #${batch.ack.sequence}`];
  if (batch.hardState !== undefined) {
    parts.push(`term ${batch.hardState.term} vote ${batch.hardState.votedFor ?? 'nobody'}`);
  }
  if (batch.truncateFrom !== undefined) parts.push(`cut from ${batch.truncateFrom}`);
  if (batch.entries.length > 0) parts.push(`[${batch.entries.map(describeEntry).join(', ')}]`);
  return [parts.join(' '), ...batch.messages.map((message) => `  then ${describeMessage(message)}`)];
}

function details(message: Message): string {
  switch (message.type) {
    case 'pre-vote-request':
      return ` last ${message.lastLogIndex}/t${message.lastLogTerm}`;
    case 'vote-request':
      return ` last ${message.lastLogIndex}/t${message.lastLogTerm}${message.transfer ? ' transfer' : ''}`;
    case 'pre-vote-response':
    case 'vote-response':
      return message.granted ? ' granted' : ' refused';
    case 'append-entries': {
      const entries = message.entries.length > 0 ? ` [${message.entries.map(describeEntry).join(', ')}]` : '';
      return ` prev ${message.prevLogIndex}/t${message.prevLogTerm} commit ${message.leaderCommit}${entries}`;
    }
    case 'append-accepted':
      return ` match ${message.matchIndex}`;
    case 'append-rejected':
      return ` at ${message.rejectedIndex} hint ${message.hintIndex}/t${message.hintTerm}${message.damaged ? ' damaged' : ''}`;
    case 'heartbeat':
      return ` commit ${message.commit}${round(message.readRound)}${snapshot(message.snapshotNeeded)}`;
    case 'heartbeat-response':
      return `${round(message.readRound)}${message.damaged ? ' damaged' : ''}`;
    case 'timeout-now':
      return ` last ${message.lastIndex}`;
    case 'read-index-request':
      return '';
    case 'read-index-response':
      return ` index ${message.index}`;
  }
}

function round(readRound: number): string {
  return readRound === 0 ? '' : ` round ${readRound}`;
}

function snapshot(needed: number): string {
  return needed === 0 ? '' : ` snapshot ${needed}`;
}

/** Printable ASCII as text, anything else as its size. */
function quote(data: Uint8Array): string {
  if (data.length > SHOWN_BYTES || data.some((byte) => byte < 0x20 || byte > 0x7e)) return `(${data.length} bytes)`;
  return `"${String.fromCharCode(...data)}"`;
}
