import type { Term } from '../base/ids.ts';
import type { AttachFrame } from '../protocol/client-frame.ts';
import type { AbortRow, AssignRow } from '../protocol/rows.ts';
import type { ServerContext } from './context.ts';
import type { WorkerLink } from './deliveries.ts';
import type { Session } from './session.ts';

/** A connection that attached as a worker in one term of ours: where deliveries go, and whose life its frames prove. */
export class WorkerConnection implements WorkerLink {
  readonly worker: string;
  readonly instance: string;
  readonly typeIndex: ReadonlyMap<string, number>;
  readonly deliveredIndex: number;
  /** The term in which it attached: frames are labelled with it, even when we have just heard of a newer one. */
  readonly term: Term;
  readonly #session: Session;
  readonly #context: ServerContext;

  constructor(session: Session, frame: AttachFrame, term: Term, deliveredIndex: number) {
    this.worker = frame.worker;
    this.instance = frame.instance;
    this.typeIndex = new Map(frame.types.map((type, at) => [type, at]));
    this.term = term;
    this.deliveredIndex = deliveredIndex;
    this.#session = session;
    this.#context = session.context;
  }

  get hasRoom(): boolean {
    return this.#session.hasRoom;
  }

  assign(rows: readonly AssignRow[]): void {
    this.#session.send({ type: 'assign', term: this.term, assignments: rows });
  }

  abort(rows: readonly AbortRow[]): void {
    this.#session.send({ type: 'abort', term: this.term, aborts: rows });
  }

  isOf(session: Session): boolean {
    return this.#session === session;
  }

  /** True when this is still the worker's connection. */
  get current(): boolean {
    return this.#context.deliveries.link(this.worker) === this;
  }

  /** Ends the connection without a verdict on the worker, which attaches anew if it lives. */
  end(reason: string): void {
    this.#context.deliveries.detach(this);
    if (this.#session.worker === this) this.#session.replace(reason);
  }

  /** The connection is gone. */
  disconnected(): void {
    if (!this.current) return;
    this.#context.deliveries.detach(this);
    this.#context.leases.disconnected(this.worker, this.instance);
  }
}
