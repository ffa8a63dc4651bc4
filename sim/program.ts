/** A program of a user: a host with its clocks, and a process that can die, stand still, and start again. */
import type { HostClock } from './process.ts';
import { SimProcess } from './process.ts';
import type { WorkloadContext } from './workload.ts';

/** See the head of this file. */
export abstract class Program {
  readonly host: string;
  readonly context: WorkloadContext;
  readonly #clock: HostClock;
  #process: SimProcess | undefined;
  #starts = 0;

  constructor(host: string, clock: HostClock, context: WorkloadContext) {
    this.host = host;
    this.context = context;
    this.#clock = clock;
  }

  get starts(): number {
    return this.#starts;
  }

  /** Starts a process. */
  boot(): void {
    this.#starts += 1;
    const { world } = this.context;
    const process = new SimProcess(world, this.host, `${this.host}#${this.#starts}`, this.#clock);
    this.#process = process;
    world.schedule(world.nowUs, 'plan', process, () => this.main(process));
  }

  /** Ends the process on the spot, to start again after a while. False when there is none. */
  crash(downMs: number): boolean {
    const process = this.#process;
    if (process?.alive !== true) return false;
    const { world, network } = this.context;
    process.kill();
    this.#process = undefined;
    network.processKilled(process);
    world.line(this.host, 'is killed');
    this.died(process);
    world.schedule(world.nowUs + downMs * 1_000, 'fault', undefined, () => {
      if (this.#process === undefined) this.boot();
    });
    return true;
  }

  /** Stands still for a while. False when it does already or is down. */
  pause(pausedMs: number): boolean {
    const process = this.#process;
    if (process?.alive !== true || process.paused) return false;
    const { world } = this.context;
    world.line(this.host, `stands still for ${pausedMs} ms`);
    process.pause();
    world.schedule(world.nowUs + pausedMs * 1_000, 'fault', undefined, () => process.resume());
    return true;
  }

  /** Is there again, and goes on. */
  recover(): void {
    this.#process?.resume();
    if (this.#process === undefined) this.boot();
  }

  /** Ends for good. */
  end(): void {
    const process = this.#process;
    if (process?.alive !== true) return;
    process.kill();
    this.context.network.processKilled(process);
    this.died(process);
  }

  /** What the process does, from its start on. */
  protected abstract main(process: SimProcess): void;

  /** The process died. */
  protected abstract died(process: SimProcess): void;
}
