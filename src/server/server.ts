/**
 * The client side of one member: connections of clients and workers on one side, the replicated state on the other.
 *
 *     listener ─▶ session ─▶ requests ─▶ peer.propose ─▶ (log) ─▶ reply ─▶ answers ─▶ session
 *                    │                                              │
 *                    └─▶ peer.read ─▶ queries              effects ─▶ deliveries ─▶ worker's session
 *
 * Frames come in through sessions, one a connection, and are turned into commands by `requests.ts`. What the state machine
 * answers goes back by `answers.ts`; what applying does (placements, aborts, ends of tasks) goes out by `deliveries.ts` and
 * `waiters.ts`. Only the leader proposes, delivers and judges who lives (`leases.ts`, `client-sessions.ts`); every other
 * member answers `hello` and `status` and names the leader.
 *
 * Invariants: nothing is proposed that was not checked; a request gets one answer or its connection ends; all that the leader
 * remembers here beside the state is bounded, and is thrown away when it stops leading, for each can be derived anew.
 *
 * What it does not do: it opens no socket (the listener port does), keeps no task, and decides nothing about tasks.
 */
import { ByteWriter } from '../base/bytes.ts';
import type { Term } from '../base/ids.ts';
import type { Listener, Socket } from '../base/socket.ts';
import type { Peer } from '../peer/peer.ts';
import type { Leadership, ProposalResult } from '../peer/types.ts';
import { encodeCommand } from '../scheduler/batch.ts';
import type { Command } from '../scheduler/command.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import { ClientSessions } from './client-sessions.ts';
import type { ServerContext, ServerOptions, ServerPorts } from './context.ts';
import { Deliveries } from './deliveries.ts';
import { Leases } from './leases.ts';
import { ProgressBoard } from './progress.ts';
import { Session } from './session.ts';
import { Waiters } from './waiters.ts';
import { WorkerConnection } from './worker-requests.ts';

/** Asked by the cluster itself. */
const PRINCIPAL_PEER = 'peer';

/** The client side of a member. Make it before the peer starts, so that it hears of every change. */
export class Server {
  readonly #listener: Listener;
  readonly #context: ServerContext;
  readonly #sessions = new Set<Session>();
  /** The term that this server leads in; undefined when it does not. */
  #leadingTerm: Term | undefined;
  #stopping = false;

  constructor(options: ServerOptions, ports: ServerPorts, peer: Peer, listener: Listener) {
    this.#listener = listener;
    const sessions = this.#sessions;
    this.#context = {
      options,
      ports,
      peer,
      leases: new Leases(options.leases, ports.clock, ports.timers, {
        proposeAway: (worker, instance) => this.#propose({ type: 'workerAway', worker, instance }),
        proposeLost: (worker, instance, sinceRenewalMs) => this.#proposeLost(worker, instance, sinceRenewalMs),
      }),
      deliveries: new Deliveries(peer),
      waiters: new Waiters(options.limits.waitsMax),
      clientSessions: new ClientSessions(ports.clock, ports.timers, options.limits.sessionIdleMs, (session) =>
        this.#propose({ type: 'endSession', session }, (result) => {
          if (result.type === 'applied') this.#context.clientSessions.forget(session);
        }),
      ),
      progress: new ProgressBoard(),
      get connections() {
        return sessions.size;
      },
    };
    peer.subscribe({
      applied: (index, outcome) => this.#applied(index, outcome),
      leadership: (change) => this.#leadership(change),
      halted: () => this.#endAll(),
    });
  }

  /** Starts to accept clients. @throws when the address is taken. */
  async start(): Promise<void> {
    await this.#listener.listen((socket) => this.#accept(socket));
  }

  /** Stops accepting, tells every client, and ends the connections. Harmless when repeated. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#stepDown();
    this.#endAll();
    await this.#listener.close();
  }

  #accept(socket: Socket): void {
    if (this.#stopping || this.#sessions.size >= this.#context.options.limits.connectionsMax) {
      socket.handle({ message: () => {}, closed: () => {} });
      return socket.close(1013, this.#stopping ? 'SHUTTING_DOWN' : 'OVERLOADED');
    }
    this.#sessions.add(new Session(this.#context, socket, (session) => this.#sessions.delete(session)));
  }

  #applied(index: number, outcome: ApplyOutcome): void {
    if (this.#leadingTerm === undefined) return;
    this.#context.deliveries.perform(index, outcome);
    const { waiters, progress } = this.#context;
    for (const number of outcome.finished) {
      progress.forget(number);
      if (waiters.waitedFor(number)) void this.#tellWaiters(number);
    }
  }

  async #tellWaiters(number: number): Promise<void> {
    const task = await this.#context.peer.taskView(number);
    if (task !== undefined) this.#context.waiters.ended(task);
  }

  #leadership(change: Leadership): void {
    const leadingTerm = change.isLeader ? change.term : undefined;
    if (leadingTerm !== this.#leadingTerm) {
      if (this.#leadingTerm !== undefined) this.#stepDown();
      if (leadingTerm !== undefined) this.#lead(leadingTerm);
    }
    for (const session of this.#sessions) {
      if (session.open) session.send({ type: 'leader', term: change.term, leader: session.leaderRow() });
    }
  }

  #lead(term: Term): void {
    this.#leadingTerm = term;
    const { peer, leases, clientSessions } = this.#context;
    leases.begin(peer.scheduler.allWorkers().filter((worker) => !worker.lost));
    clientSessions.begin(peer.scheduler.sessionIds());
  }

  #stepDown(): void {
    this.#leadingTerm = undefined;
    const { leases, clientSessions, deliveries, waiters, progress } = this.#context;
    leases.end();
    clientSessions.end();
    deliveries.clear();
    progress.clear();
    for (const session of this.#sessions) session.worker = undefined;
    waiters.clear();
  }

  #endAll(): void {
    for (const session of this.#sessions) session.goAway();
  }

  #proposeLost(worker: string, instance: string, sinceRenewalMs: number): void {
    const { peer, options, leases, deliveries } = this.#context;
    const untilFreeMs = Math.max(0, options.leases.leaseMs - sinceRenewalMs);
    const capsFreeAtMs = peer.logTimeNowMs() + untilFreeMs;
    this.#propose({ type: 'workerLost', worker, instance, capsFreeAtMs }, (result) => {
      if (result.type !== 'applied' || result.reply.type === 'refused') return;
      leases.forget(worker, instance);
      const link = deliveries.link(worker);
      // It may be alive and deaf to us: a new connection, attached anew, makes it a worker again.
      if (link instanceof WorkerConnection && link.instance === instance) link.end('declared lost');
    });
  }

  #propose(command: Command, done: (result: ProposalResult) => void = () => {}): void {
    if (this.#leadingTerm === undefined) return;
    const writer = new ByteWriter(128);
    encodeCommand(writer, PRINCIPAL_PEER, command);
    // A full queue refuses; whoever asks here asks again by itself.
    this.#context.peer.propose('dispatch', writer.take(), 1, done);
  }
}
