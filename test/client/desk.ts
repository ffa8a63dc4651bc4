import type { Handler } from '../../src/client/attempts.ts';
import type { HandlerContext } from '../../src/client/handler-context.ts';
import { Worker, type WorkerOptions } from '../../src/client/worker.ts';
import { FakeCluster } from './fake-cluster.ts';

/** A handler whose attempts end when the test says so. */
export class Desk {
  readonly open: Map<number, { context: HandlerContext; resolve(value?: unknown): void; reject(error: Error): void }> =
    new Map();
  /** Reasons of aborted signals by token. */
  readonly aborted: Map<number, unknown> = new Map();
  readonly handler: Handler = (_, context) => {
    context.signal.addEventListener('abort', () => this.aborted.set(context.fencingToken, context.signal.reason));
    return new Promise((resolve, reject) => {
      this.open.set(context.fencingToken, { context, resolve, reject });
    });
  };

  at(token: number): { context: HandlerContext; resolve(value?: unknown): void; reject(error: Error): void } {
    const found = this.open.get(token);
    if (found === undefined) throw new Error(`token ${token} does not run`);
    return found;
  }
}

/** A worker at work. */
export interface Bench {
  readonly cluster: FakeCluster;
  readonly worker: Worker;
  readonly desk: Desk;
  readonly ended: Promise<void>;
  /** What the observer heard, a line each. */
  readonly story: string[];
}

/** A worker that is attached to the first peer, with the desk's handler for type 0. */
export async function attached(peerCount: number, options: Partial<WorkerOptions> = {}): Promise<Bench> {
  const cluster = new FakeCluster(peerCount);
  const desk = new Desk();
  const story: string[] = [];
  const worker = new Worker(
    {
      urls: cluster.peer(0).url,
      workerId: 'w1',
      handlers: { desk: desk.handler, echo: (payload) => payload },
      observer: {
        started: (_, token, term) => story.push(`started ${token} in term ${term}`),
        reported: (_, token, outcome) => story.push(`reported ${token} ${outcome}`),
        answered: (_, token, answer) => story.push(`answered ${token} ${answer}`),
      },
      ...options,
    },
    cluster.ports(),
  );
  const ended = worker.run();
  ended.catch(() => undefined);
  await cluster.time.until('attach', () => cluster.peer(0).got('attach').length === 1);
  await cluster.time.until('connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
  await cluster.time.advance(5);
  return { cluster, worker, desk, ended, story };
}
