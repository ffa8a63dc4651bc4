/** What operators ask over a client's connections: queues, workers, drains, and how each peer is. The CLI uses it; the SDK does not export it. */
import type { QueueRow, WorkerRow } from '../protocol/rows.ts';
import type { AnswerFrame, StatusAnswerFrame } from '../protocol/server-frame.ts';
import type { RequestFrame } from '../protocol/client-frame.ts';
import type { Client } from './client.ts';
import type { ClusterClient } from './cluster-client.ts';
import { TaskraftError } from './errors.ts';

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

  /** The queues of the namespace, by name. */
  async queues(): Promise<readonly QueueRow[]> {
    const answer = await this.#ask((requestId) => ({ type: 'listQueues', requestId }), false);
    return answer.type === 'queues' ? answer.queues : somethingElse();
  }

  /** The workers of the namespace, by id. */
  async workers(): Promise<readonly WorkerRow[]> {
    const answer = await this.#ask((requestId) => ({ type: 'listWorkers', requestId }), false);
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

  /** Asks every peer known for its own view; those that are down answer with an error. Sorted by URL. */
  async status(): Promise<readonly PeerStatus[]> {
    const answers = this.#core.links.all.map(async (link): Promise<PeerStatus> => {
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
    });
    return (await Promise.all(answers)).sort((left, right) => (left.url < right.url ? -1 : 1));
  }

  #ask(make: (requestId: number) => RequestFrame, changes: boolean): Promise<AnswerFrame> {
    return this.#core.ask({ make, timeoutMs: TIMEOUT_MS, changes });
  }
}

function somethingElse(): never {
  throw new TaskraftError('INTERNAL', 'The peer answered something else.');
}
