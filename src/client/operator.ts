/** What operators ask over a client's connections: queues, workers, drains, members, and how each peer is. The CLI uses it; the SDK does not export it. */
import { MEMBER_CHANGES, type MemberChange, type QueueRow, type WorkerRow } from '../protocol/rows.ts';
import type { AnswerFrame, StatusAnswerFrame } from '../protocol/server-frame.ts';
import type { RequestFrame } from '../protocol/client-frame.ts';
import type { Client } from './client.ts';
import type { ClusterClient } from './cluster-client.ts';
import { TaskraftError } from './errors.ts';
import type { PeerLink } from './peer-link.ts';

/** How one peer answered, or why it did not. */
export type PeerStatus =
  | { readonly url: string; readonly status: StatusAnswerFrame }
  | { readonly url: string; readonly error: TaskraftError };

const TIMEOUT_MS = 10_000;
/** A peer that is down is a fact to show, not one to wait for. */
const STATUS_TIMEOUT_MS = 2000;

/** The operator's calls over the connections of `client`. All throw TaskraftError: UNAVAILABLE, TIMEOUT, and what each says. */
export class Operator {
  readonly #core: ClusterClient;

  constructor(client: Client) {
    this.#core = client.core;
  }

  /** The queues of the namespace, by name. `stale` as in `Client.get`. */
  async queues(stale = false): Promise<readonly QueueRow[]> {
    const answer = await this.#ask((requestId) => ({ type: 'listQueues', requestId, stale }), false, stale);
    return answer.type === 'queues' ? answer.queues : somethingElse();
  }

  /** The workers of the namespace, by id. `stale` as in `Client.get`. */
  async workers(stale = false): Promise<readonly WorkerRow[]> {
    const answer = await this.#ask((requestId) => ({ type: 'listWorkers', requestId, stale }), false, stale);
    return answer.type === 'workers' ? answer.workers : somethingElse();
  }

  /** The worker takes nothing new, and hands back what still runs after `deadlineMs`. @throws TaskraftError NOT_FOUND */
  async drainWorker(worker: string, deadlineMs: number): Promise<void> {
    await this.#ask((requestId) => ({ type: 'drainWorker', requestId, worker, deadlineMs }), true);
  }

  /** Ends a drain. @throws TaskraftError NOT_FOUND */
  async resumeWorker(worker: string): Promise<void> {
    await this.#ask((requestId) => ({ type: 'resumeWorker', requestId, worker }), true);
  }

  /**
   * Changes who belongs to the cluster; resolves with the position in the log once that is committed. What comes too early (another
   * change is under way) is asked again by itself until the time is up; refused all that time it rejects with CHANGE_PENDING.
   *
   * @throws TaskraftError NOT_FOUND, ALREADY_MEMBER, ALREADY_VOTER, NOT_HEARD, NOT_CAUGHT_UP, LAST_VOTER, QUORUM_AT_RISK,
   * MEMBER_LIMIT, FEATURE_OFF, CHANGE_PENDING, OUTCOME_UNKNOWN
   */
  async changeMember(change: MemberChange, peer: string, incarnation?: string): Promise<number> {
    const answer = await this.#ask(
      (requestId) => ({
        type: 'changeMember',
        requestId,
        change: MEMBER_CHANGES.indexOf(change),
        peer,
        incarnation: incarnation ?? null,
      }),
      true,
    );
    return answer.type === 'memberChanged' ? answer.index : somethingElse();
  }

  /**
   * Hands leadership over, to the peer that can take over soonest where none is named; resolves with who leads then.
   *
   * @throws TaskraftError NOT_FOUND, NOT_VOTER, TRANSFER_FAILED
   */
  async transferLeadership(peer?: string): Promise<string> {
    const answer = await this.#ask(
      (requestId) => ({ type: 'transferLeadership', requestId, peer: peer ?? null }),
      true,
    );
    return answer.type === 'transferred' ? answer.leader : somethingElse();
  }

  /** How the leader sees the cluster; it may have stopped leading meanwhile, see `role`. */
  async leaderStatus(): Promise<StatusAnswerFrame> {
    const answer = await this.#ask((requestId) => ({ type: 'status', requestId }), false);
    return answer.type === 'statusAnswer' ? answer : somethingElse();
  }

  /** What the peer at the other end of `link` says of itself; undefined when it does not answer. */
  async statusOf(link: PeerLink): Promise<StatusAnswerFrame | undefined> {
    const answered = await this.#statusBy(link);
    return 'status' in answered ? answered.status : undefined;
  }

  /** Asks every peer known for its own view; those that are down answer with an error. Sorted by URL. */
  async status(): Promise<readonly PeerStatus[]> {
    const answers = await Promise.all(this.#core.links.all.map((link) => this.#statusBy(link)));
    return answers.sort((left, right) => (left.url < right.url ? -1 : 1));
  }

  async #statusBy(link: PeerLink): Promise<PeerStatus> {
    try {
      const answer = await this.#core.ask({
        make: (requestId) => ({ type: 'status', requestId }),
        timeoutMs: STATUS_TIMEOUT_MS,
        changes: false,
        only: link,
      });
      return { url: link.url, status: answer.type === 'statusAnswer' ? answer : somethingElse() };
    } catch (error) {
      if (error instanceof TaskraftError) return { url: link.url, error };
      throw error;
    }
  }

  #ask(make: (requestId: number) => RequestFrame, changes: boolean, anywhere = false): Promise<AnswerFrame> {
    return this.#core.ask({ make, timeoutMs: TIMEOUT_MS, changes, anywhere });
  }
}

function somethingElse(): never {
  throw new TaskraftError('INTERNAL', 'The peer answered something else.');
}
