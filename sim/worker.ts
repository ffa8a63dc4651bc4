import type { HandlerContext } from '../src/client/handler-context.ts';
import { Worker } from '../src/client/worker.ts';
import { parseTaskId } from '../src/protocol/task-id.ts';
import { below } from '../src/base/random.ts';
import { Program } from './program.ts';
import type { HostClock, SimProcess } from './process.ts';
import { isScheduled, payloadOfAttempt, type SchedulePayload } from './schedules/plan.ts';
import { runTask, TASK_TYPES, ZONE } from './tasks.ts';
import type { WorkloadContext } from './workload.ts';
import { Violation } from './world.ts';

/** A worker of the SDK under one id, over all its starts. */
export class SimWorker extends Program {
  readonly #zoned: boolean;
  #running: { readonly process: SimProcess; readonly worker: Worker } | undefined;
  #refused = 0;

  constructor(host: string, clock: HostClock, context: WorkloadContext, zoned: boolean) {
    super(host, clock, context);
    this.#zoned = zoned;
  }

  /** Reports that the cluster refused because the attempt was no longer this worker's. */
  get refused(): number {
    return this.#refused;
  }

  /** Stops as an operator would stop it, and starts again afterwards. False when it does not run. */
  retire(drainMs: number): boolean {
    const running = this.#running;
    if (running?.process.alive !== true || running.process.paused) return false;
    const { world } = this.context;
    this.#running = undefined;
    world.line(this.host, `is asked to stop within ${drainMs} ms`);
    running.worker
      .stop({ drainMs })
      .then(() => running.process.timers.after(100, () => this.crash(200)))
      .catch((error: unknown) => {
        world.fail(new Violation('worker', `${this.host} does not stop: ${String(error)}`, error));
      });
    return true;
  }

  protected override main(process: SimProcess): void {
    const { network, options, urls, world, leases } = this.context;
    const { clock, timers, random, logger } = process;
    const handle = async (payload: unknown, context: HandlerContext): Promise<unknown> => {
      const number = parseTaskId(context.taskId)?.number ?? 0;
      if (isScheduled(payload)) return this.#runScheduled(process, payload, context, number);
      const ended = this.#began(process, context, number);
      const result = await runTask(process, payload, context, this.context.calm()).finally(ended);
      const done = { f: 'complete', state: 'done', result: JSON.stringify(result) ?? 'null' } as const;
      this.context.ledger.mayHappen(this.host, number, world.nowUs, done);
      return result;
    };
    const types = this.#zoned ? TASK_TYPES : TASK_TYPES.filter((type) => type !== 'zoned');
    const worker = new Worker(
      {
        urls,
        logger,
        workerId: this.host,
        slots: 1 + below(random, options.workload.slotsMax),
        handlers: Object.fromEntries(types.map((type) => [type, handle])),
        labels: this.#zoned ? { zone: ZONE } : { zone: 'b' },
        observer: {
          started: (taskId, token, term) => {
            const number = parseTaskId(taskId)?.number ?? 0;
            world.line(this.host, () => `starts task ${number} under token ${token} of term ${term}`);
            world.check(() => leases.started({ number, token, term, worker: this.host }));
          },
          answered: (_taskId, _token, answer) => {
            if (answer === 'STALE_LEASE') this.#refused += 1;
          },
        },
      },
      { dialer: network.dialer(process), clock, timers, random },
    );
    this.#running = { process, worker };
    worker.run().catch((error: unknown) => {
      // Its former process may still count as alive for a moment; a new start finds it gone.
      world.line(this.host, () => `is not taken: ${String(error)}`);
      if (!isInUse(error)) world.fail(new Violation('worker', `${this.host} was not taken: ${String(error)}`, error));
      else process.timers.after(500, () => this.main(process));
    });
  }

  /** No client knows of it, and it may have to be the only one to run. */
  async #runScheduled(
    process: SimProcess,
    payload: SchedulePayload,
    context: HandlerContext,
    number: number,
  ): Promise<unknown> {
    const ended = this.#began(process, context, number);
    const drawn = payloadOfAttempt(process.random, payload);
    if (this.#isLong(drawn) && this.context.singleRun.isSingle(number)) this.context.occasions.met('alone', this.host);
    try {
      return await runTask(process, drawn, context, this.context.calm());
    } finally {
      ended();
    }
  }

  /** A handler is called; what is returned is called when it has returned. */
  #began(process: SimProcess, context: HandlerContext, number: number): () => void {
    const { signal, fencingToken: token } = context;
    const isLive = (): boolean => process.alive && !process.paused && !signal.aborted;
    let ended = (): void => {};
    this.context.world.check(() => {
      ended = this.context.singleRun.began({ number, token, host: this.host, isLive });
    });
    return ended;
  }

  /** It goes on by itself for longer than it takes to give this worker up. */
  #isLong({ act, put }: SchedulePayload): boolean {
    const { book, options } = this.context;
    const run = book.plans.get(put)?.spec.task.timeouts?.run;
    return (act === 'hang' || act === 'deaf') && typeof run === 'number' && run * 5 > options.leases.leaseMs * 4;
  }

  protected override died(_process: SimProcess): void {}
}

function isInUse(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'WORKER_ID_IN_USE';
}
