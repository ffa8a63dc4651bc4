import { expect } from 'vitest';
import { peerId } from '../../../src/base/ids.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Peer } from '../../../src/peer/peer.ts';
import type { AttachFrame, SubmitFrame } from '../../../src/protocol/client-frame.ts';
import { DEFAULT_WIRE_LIMITS } from '../../../src/protocol/request-rules.ts';
import type { TaskRow } from '../../../src/protocol/rows.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import type { ServerLimits, ServerOptions } from '../../../src/server/context.ts';
import { SERVER_LIMITS } from '../../../src/server/context.ts';
import { LEASE_DEFAULTS } from '../../../src/server/leases.ts';
import { Server } from '../../../src/server/server.ts';
import type { ServerPorts } from '../../../src/server/context.ts';
import { VirtualTime } from '../../support/virtual-time.ts';
import { FakePeer } from './fake-peer.ts';
import { type TestClient, TestListener } from './sockets.ts';

/** Options of a server in tests. */
export function serverOptions(limits: Partial<ServerLimits> = {}, peers = 3): ServerOptions {
  return {
    clusterId: 'test',
    version: '0',
    members: Array.from({ length: peers }, (_, at) => ({
      peer: peerId(`p${at + 1}`),
      url: `ws://127.0.0.1:${7_400 + 10 * at}/v1/connect`,
    })),
    principal: 'anonymous',
    leases: LEASE_DEFAULTS,
    requests: DEFAULT_WIRE_LIMITS,
    limits: { ...SERVER_LIMITS, ...limits },
  };
}

/** A logger that keeps its warnings and errors as text. */
export function noting(notes: string[]): Logger {
  const note =
    (level: string) =>
    (message: string): void => {
      notes.push(`${level} ${message}`);
    };
  return { debug() {}, info() {}, warn: note('warn'), error: note('error') };
}

/** A server over a peer that does what a test says, on virtual time. */
export class Desk {
  readonly time: VirtualTime = new VirtualTime();
  readonly peer: FakePeer;
  readonly listener: TestListener = new TestListener(this.time);
  readonly server: Server;
  readonly notes: string[] = [];

  private constructor(limits: Partial<ServerLimits>, schedulerLimits: Partial<SchedulerLimits>) {
    this.peer = new FakePeer(this.time, schedulerLimits);
    const ports: ServerPorts = {
      clock: this.time.clock(1_750_000_000_000),
      timers: this.time,
      random: new SeededRandom(1),
      logger: noting(this.notes),
    };
    this.server = new Server(serverOptions(limits), ports, this.peer.peer, this.listener);
  }

  /** One that leads term 1, unless told otherwise. */
  static async open(
    limits: Partial<ServerLimits> = {},
    options: { readonly follows?: boolean; readonly scheduler?: Partial<SchedulerLimits> } = {},
  ): Promise<Desk> {
    const desk = new Desk(limits, options.scheduler ?? {});
    await desk.server.start();
    if (options.follows !== true) desk.peer.lead(1);
    return desk;
  }

  /** A connection that has said hello. */
  client(namespace = 'default'): Promise<TestClient> {
    return greeted(this.listener, 'client', namespace);
  }

  worker(namespace = 'default'): Promise<TestClient> {
    return greeted(this.listener, 'worker', namespace);
  }

  /** A worker that is attached. */
  async attached(overrides: Partial<AttachFrame> = {}, namespace = 'default'): Promise<TestClient> {
    const worker = await this.worker(namespace);
    expect(await worker.ask((requestId) => attachFrame(requestId, overrides))).toMatchObject({ type: 'attached' });
    return worker;
  }

  /** Submits tasks over a connection and gives the number of the first. */
  async submit(client: TestClient, tasks: readonly TaskRow[] = [taskRow()], sequence = 1): Promise<number> {
    const opened = await client.ask((requestId) => ({ type: 'openSession', requestId }));
    if (opened.type !== 'sessionOpened') throw new Error('no session');
    const answer = await client.ask((requestId) => submitFrame(requestId, opened.session, tasks, sequence));
    if (answer.type !== 'submitted') throw new Error(`refused: ${JSON.stringify(answer)}`);
    return answer.firstNumber;
  }

  /** What the state knows of a worker. */
  stateOf(worker: string): string | undefined {
    const known = this.peer.scheduler.worker(worker);
    return known?.lost === true ? 'lost' : known?.state;
  }

  /** Types of the commands proposed so far. */
  get commands(): string[] {
    return this.peer.proposed.map((command) => command.type);
  }
}

/** A connection on `listener` that has said hello and was welcomed. */
export async function greeted(listener: TestListener, role: string, namespace = 'default'): Promise<TestClient> {
  const client = listener.dial();
  client.send({ type: 'hello', protocolVersion: 1, role, namespace, clientName: 'test', clientVersion: '0' });
  await client.time.until('a welcome', () => client.all('welcome').length > 0);
  client.take();
  return client;
}

/** A server over a real peer of a test cluster. */
export function serve(ports: ServerPorts, peer: Peer, time: VirtualTime, peers: number): TestListener {
  const listener = new TestListener(time);
  const server = new Server(serverOptions({}, peers), ports, peer, listener);
  void server.start();
  return listener;
}

/** One task of template 0. */
export function taskRow(payload: Uint8Array = new Uint8Array([1]), options: TaskRow[3] = null): TaskRow {
  return [0, 3, payload, options];
}

/** A submission of tasks of type `hash`. */
export function submitFrame(
  requestId: number,
  session: string,
  tasks: readonly TaskRow[] = [taskRow()],
  sequence = 1,
): SubmitFrame {
  const templates = [['hash', null, null, [], null, null, null]] as const;
  return { type: 'submit', requestId, session, sequence, answeredBelow: 0, templates, tasks };
}

/** An attachment of worker `w1` that serves `hash` with ten slots and holds nothing. */
export function attachFrame(requestId: number, overrides: Partial<AttachFrame> = {}): AttachFrame {
  return {
    type: 'attach',
    requestId,
    worker: 'w1',
    instance: 'i1',
    types: ['hash'],
    labels: [],
    slots: 10,
    version: '0',
    held: [],
    unanswered: [],
    ...overrides,
  };
}

/** The assignments that a worker received, in order. */
export function assignments(worker: TestClient): readonly (readonly [number: number, fencingToken: number])[] {
  return worker.all('assign').flatMap((frame) => frame.assignments.map(([number, token]) => [number, token] as const));
}
