import { performance } from 'node:perf_hooks';
import type { Usage } from './messages.ts';

/** How often the process looks at the clock and at its own CPU time, in ms. Looking more often is itself seen in the figures. */
const LOOK_MS = 5;

/**
 * Counts what this process uses: CPU by the operating system's books, and holds of the event loop by a timer that fires late. A
 * timer is late when our own code ran for long, and also when the operating system gave the core to others; the CPU time that
 * the process used meanwhile tells the two apart.
 */
export class UsageMeter {
  readonly #syncCount: () => number;
  #cpu = process.cpuUsage();
  #syncs = 0;
  #looked = { atMs: performance.now(), cpu: process.cpuUsage() };
  #longestHoldMs = 0;
  #longestHoldCpuMs = 0;

  /** `syncCount` tells how often the process has forced data to its disk. */
  constructor(syncCount: () => number = () => 0) {
    this.#syncCount = syncCount;
    setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** What was used so far does not count. */
  begin(): void {
    this.#cpu = process.cpuUsage();
    this.#syncs = this.#syncCount();
    this.#longestHoldMs = 0;
    this.#longestHoldCpuMs = 0;
  }

  /** What was used since `begin`. */
  usage(): Usage {
    const cpu = process.cpuUsage(this.#cpu);
    return {
      cpuUs: cpu.user + cpu.system,
      longestHoldMs: this.#longestHoldMs,
      longestHoldCpuMs: this.#longestHoldCpuMs,
      syncs: this.#syncCount() - this.#syncs,
    };
  }

  #look(): void {
    const atMs = performance.now();
    const cpu = process.cpuUsage();
    const before = this.#looked;
    // Somewhere between the two looks it began, so this may be LOOK_MS too long and is never too short.
    const holdMs = atMs - before.atMs;
    // Other threads of the process count too, so this is never less than what the event loop used itself.
    const usedMs = (cpu.user - before.cpu.user + cpu.system - before.cpu.system) / 1_000;
    this.#longestHoldMs = Math.max(this.#longestHoldMs, holdMs);
    this.#longestHoldCpuMs = Math.max(this.#longestHoldCpuMs, Math.min(holdMs, usedMs));
    this.#looked = { atMs, cpu };
  }
}
