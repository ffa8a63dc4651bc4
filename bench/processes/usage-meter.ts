import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Usage } from './messages.ts';

/** How often the process looks at its own CPU time, in ms. */
const LOOK_MS = 2;

/**
 * Counts what this process uses: CPU by the operating system's books, and holds of the event loop by timers that fire late. A
 * timer is late when our own code ran for long, and also when the operating system gave the core to others; the CPU time that
 * the process used meanwhile tells the two apart.
 */
export class UsageMeter {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 });
  readonly #syncCount: () => number;
  #cpu = process.cpuUsage();
  #syncs = 0;
  #looked = { atMs: performance.now(), cpu: process.cpuUsage() };
  #longestHoldCpuMs = 0;

  /** `syncCount` tells how often the process has forced data to its disk. */
  constructor(syncCount: () => number = () => 0) {
    this.#syncCount = syncCount;
    this.#delay.enable();
    setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** What was used so far does not count. */
  begin(): void {
    this.#delay.reset();
    this.#cpu = process.cpuUsage();
    this.#syncs = this.#syncCount();
    this.#longestHoldCpuMs = 0;
  }

  /** What was used since `begin`. */
  usage(): Usage {
    const cpu = process.cpuUsage(this.#cpu);
    // The histogram counts the time between two firings, of which 1 ms is the timer's own.
    const longestHoldMs = Math.max(0, this.#delay.max / 1e6 - 1);
    return {
      cpuUs: cpu.user + cpu.system,
      longestHoldMs,
      longestHoldCpuMs: this.#longestHoldCpuMs,
      syncs: this.#syncCount() - this.#syncs,
    };
  }

  #look(): void {
    const atMs = performance.now();
    const used = process.cpuUsage(this.#looked.cpu);
    // Other threads of the process count too, so this is never less than what the event loop used itself.
    const holdMs = Math.min(atMs - this.#looked.atMs - LOOK_MS, (used.user + used.system) / 1_000);
    this.#longestHoldCpuMs = Math.max(this.#longestHoldCpuMs, holdMs);
    this.#looked = { atMs, cpu: process.cpuUsage() };
  }
}
