import { type Client, type TaskHandle, Worker } from '../../../src/index.ts';

const TYPE = 'e2e.count';

/** A worker that writes down what it sees, outside of the cluster. */
export class CountingWorker {
  readonly worker: Worker;
  /** Starts of each task. */
  readonly starts: Map<string, number> = new Map();
  /** Accepted completions of each task. */
  readonly accepted: Map<string, number> = new Map();
  /** Tasks that the cluster says are over: `ok`, or `ALREADY_FINAL` where the first answer was lost with its leader. */
  readonly settled: Set<string> = new Set();
  /** Terms of the leaders that assigned something. */
  readonly terms: Set<number> = new Set();
  readonly #running: Promise<void>;
  #changed: () => void = () => {};

  constructor(urls: readonly string[], slots = 50) {
    this.worker = new Worker({
      urls,
      slots,
      handlers: { [TYPE]: (payload: unknown) => payload },
      observer: {
        started: (id, _token, term) => {
          this.starts.set(id, (this.starts.get(id) ?? 0) + 1);
          this.terms.add(term);
          this.#changed();
        },
        answered: (id, _token, answer) => {
          if (answer === 'ok' || answer === 'ALREADY_FINAL') this.settled.add(id);
          if (answer === 'ok') this.accepted.set(id, (this.accepted.get(id) ?? 0) + 1);
          this.#changed();
        },
      },
    });
    this.#running = this.worker.run();
  }

  /** Waits, from event to event, until `holds`. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  async stop(): Promise<void> {
    await this.worker.stop({ drainMs: 1_000 });
    await this.#running;
  }
}

/** Submits without a pause until it is stopped. */
export class Load {
  /** What was acknowledged, in order. */
  readonly acknowledged: TaskHandle[] = [];
  readonly #client: Client;
  readonly #lane: Promise<void>;
  readonly #stopped = new AbortController();

  constructor(client: Client, batchTasks = 20) {
    this.#client = client;
    this.#lane = this.#submit(batchTasks);
  }

  /** Fulfilled when the last submission was answered. */
  async stop(): Promise<readonly TaskHandle[]> {
    this.#stopped.abort();
    await this.#lane;
    return this.acknowledged;
  }

  async #submit(batchTasks: number): Promise<void> {
    for (let number = 0; !this.#stopped.signal.aborted; number += batchTasks) {
      const specs = Array.from({ length: batchTasks }, (_, at) => ({ type: TYPE, payload: number + at }));
      this.acknowledged.push(...(await this.#client.submitMany(specs)));
    }
  }
}
