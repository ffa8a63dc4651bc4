/**
 * How often the data directories of others were opened, by what they said. One that says less than was heard before is an older
 * copy of itself: it has forgotten what it acknowledged and voted since. What is heard is written down, or those who start anew
 * would have forgotten it at just the moment when somebody puts copies back.
 */
import type { HeardBoot } from '../storage/storage.ts';
import { HEARD_BOOTS_MAX } from '../storage/storage.ts';

/** See the head of this file. */
export class BootBook {
  /** By incarnation, the one that was heard last at the end; at most `HEARD_BOOTS_MAX`. */
  readonly #highest = new Map<string, number>();
  #unsaved = false;

  /** What was written down, and what the book before this one, in the same process, has heard since. */
  constructor(saved: readonly HeardBoot[], before?: BootBook) {
    for (const { incarnation, boot } of saved) this.#highest.set(incarnation, boot);
    for (const { incarnation, boot } of before?.all ?? []) this.heard(incarnation, boot);
  }

  /** True when there is something to be written down. */
  get unsaved(): boolean {
    return this.#unsaved;
  }

  get all(): HeardBoot[] {
    return [...this.#highest].map(([incarnation, boot]) => ({ incarnation, boot }));
  }

  /** All of it, to be written down now. */
  take(): HeardBoot[] {
    this.#unsaved = false;
    return this.all;
  }

  /** True when the directory was opened more often than it says. */
  isOldCopy(incarnation: string, boot: number): boolean {
    return boot < (this.#highest.get(incarnation) ?? 0);
  }

  /** A directory says that it was opened so often. */
  heard(incarnation: string, boot: number): void {
    const known = this.#highest.get(incarnation) ?? 0;
    this.#highest.delete(incarnation);
    this.#highest.set(incarnation, Math.max(known, boot));
    if (boot > known) this.#unsaved = true;
    const [oldest] = this.#highest.keys();
    if (oldest !== undefined && this.#highest.size > HEARD_BOOTS_MAX) this.#highest.delete(oldest);
  }
}
