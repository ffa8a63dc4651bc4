import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Usage } from './messages.ts';

/** Counts what this process uses: CPU by the operating system's books, holds of the event loop by a timer that should fire each ms. */
export class UsageMeter {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 });
  readonly #syncCount: () => number;
  #cpu = process.cpuUsage();
  #syncs = 0;

  /** `syncCount` tells how often the process has forced data to its disk. */
  constructor(syncCount: () => number = () => 0) {
    this.#syncCount = syncCount;
    this.#delay.enable();
  }

  /** What was used so far does not count. */
  begin(): void {
    this.#delay.reset();
    this.#cpu = process.cpuUsage();
    this.#syncs = this.#syncCount();
  }

  /** What was used since `begin`. */
  usage(): Usage {
    const cpu = process.cpuUsage(this.#cpu);
    // The histogram counts the time between two firings, of which 1 ms is the timer's own.
    const longestHoldMs = Math.max(0, this.#delay.max / 1e6 - 1);
    return { cpuUs: cpu.user + cpu.system, longestHoldMs, syncs: this.#syncCount() - this.#syncs };
  }
}
