/**
 * The instants that a definition names, by the slow reference and piece by piece: what is asked for is walked through once, and a while
 * ahead, and remembered. The calendar of the product is not asked.
 */
import type { CalendarDefinition, CalendarSpec } from '../../src/calendar/definition.ts';
import { referenceInstants } from '../calendar/calendar.ts';

/** What is walked through at once, in ms. */
const STEP_MS = 20 * 60_000;

/** See the head of this file. */
export class ExpectedInstants {
  readonly #definition: CalendarDefinition;
  /** Increasing. Those before `#at` are not asked for any more. */
  readonly #known: number[] = [];
  #at = 0;
  #throughMs: number;

  /** Those after `afterMs`. */
  constructor(definition: CalendarDefinition, afterMs: number) {
    this.#definition = definition;
    this.#throughMs = afterMs;
  }

  /** The next one, if there is one up to `untilMs`. */
  next(untilMs: number): number | undefined {
    return this.ahead(0, untilMs);
  }

  /** The one `places` behind the next, if there is one up to `untilMs`. */
  ahead(places: number, untilMs: number): number | undefined {
    while (this.#known.length <= this.#at + places && this.#throughMs < untilMs) this.#walk();
    const found = this.#known[this.#at + places];
    return found === undefined || found > untilMs ? undefined : found;
  }

  /** The next one is done with. */
  take(): void {
    this.#at += 1;
  }

  #walk(): void {
    const fromMs = this.#throughMs + 1;
    const toMs = this.#throughMs + STEP_MS;
    const specs = this.#definition.specs.map((spec) => movedTo(spec, fromMs));
    this.#known.push(...referenceInstants({ ...this.#definition, specs }, fromMs, toMs));
    this.#throughMs = toMs;
  }
}

/** Every instant of `definition` from `fromMs` to `toMs`, both inclusive. */
export function instantsBetween(definition: CalendarDefinition, fromMs: number, toMs: number): number[] {
  const specs = definition.specs.map((spec) => movedTo(spec, fromMs));
  return referenceInstants({ ...definition, specs }, fromMs, toMs);
}

/** The reference counts periods one by one from the phase: it is given a later one. */
function movedTo(spec: CalendarSpec, fromMs: number): CalendarSpec {
  if (!('everyMs' in spec)) return spec;
  const { everyMs, phaseMs } = spec;
  return { everyMs, phaseMs: phaseMs + Math.floor((fromMs - phaseMs) / everyMs) * everyMs };
}
