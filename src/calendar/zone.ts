/** A stretch of time in which the offset of a zone stands still. */
export interface Piece {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  /** Wall-clock time minus UTC. */
  readonly offsetMs: number;
  /** The offset just before `startMs`. It differs from `offsetMs` only where a change of clock is at `startMs`. */
  readonly beforeMs: number;
}

/**
 * Offsets are looked up in windows of this length, each day of a window on its own: no zone since 1970 had two changes of clock
 * within a day that undo each other.
 */
const WINDOW_DAYS = 16;
const PROBE_MS = 86_400_000;
const WINDOW_MS = WINDOW_DAYS * PROBE_MS;

/** Windows that are kept of a zone: 90 years. */
const WINDOWS_MAX = 2_048;

/** Zones that are kept; there are some 600 names, and names may be written in any case. */
const ZONES_MAX = 1_024;

const zones = new Map<string, Zone>();

/**
 * The zone of that IANA name, by the time zone data of this process.
 *
 * @throws RangeError when this process does not know the name
 */
export function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const made = new Zone(name);
  if (zones.size >= ZONES_MAX) zones.delete(zones.keys().next().value as string);
  zones.set(name, made);
  return made;
}

/** The offsets of one zone, asked of `Intl` once for each stretch of time. */
export class Zone {
  /** Undefined where the offset never changes. */
  readonly #format: Intl.DateTimeFormat | undefined;
  readonly #windows: Map<number, readonly Piece[]> = new Map();
  static readonly #forever: Piece = { startMs: -Infinity, endMs: Infinity, offsetMs: 0, beforeMs: 0 };

  constructor(name: string) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    this.#format = format.resolvedOptions().timeZone === 'UTC' ? undefined : format;
  }

  /** The piece that holds `ms`. A piece also ends where a window does, without a change of clock. */
  at(ms: number): Piece {
    if (this.#format === undefined) return Zone.#forever;
    const window = Math.floor(ms / WINDOW_MS);
    let pieces = this.#windows.get(window);
    if (pieces === undefined) {
      if (this.#windows.size >= WINDOWS_MAX) this.#windows.clear();
      pieces = this.#look(window * WINDOW_MS);
      this.#windows.set(window, pieces);
    }
    let at = pieces.length - 1;
    while ((pieces[at] as Piece).startMs > ms) at -= 1;
    return pieces[at] as Piece;
  }

  #look(windowMs: number): Piece[] {
    const pieces: Piece[] = [];
    let beforeMs = this.#offset(windowMs - 1_000);
    let offsetMs = this.#offset(windowMs);
    let startMs = windowMs;
    for (let day = 1; day <= WINDOW_DAYS; day += 1) {
      // The last second of a day, so that a change at the end of the window belongs to the next one.
      const lastMs = windowMs + day * PROBE_MS - 1_000;
      const lastOffsetMs = this.#offset(lastMs);
      while (offsetMs !== lastOffsetMs) {
        const changeMs = this.#change(Math.max(startMs, lastMs - PROBE_MS), lastMs, offsetMs);
        pieces.push({ startMs, endMs: changeMs, offsetMs, beforeMs });
        [startMs, beforeMs, offsetMs] = [changeMs, offsetMs, this.#offset(changeMs)];
      }
    }
    pieces.push({ startMs, endMs: windowMs + WINDOW_MS, offsetMs, beforeMs });
    return pieces;
  }

  /** The first second after `fromMs`, up to `toMs`, with another offset than `offsetMs`, which is that of `fromMs`. */
  #change(fromMs: number, toMs: number, offsetMs: number): number {
    let same = fromMs / 1_000;
    let other = toMs / 1_000;
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2);
      if (this.#offset(middle * 1_000) === offsetMs) same = middle;
      else other = middle;
    }
    return other * 1_000;
  }

  /** `ms` is a whole second. */
  #offset(ms: number): number {
    const numbers = ((this.#format as Intl.DateTimeFormat).format(ms).match(/\d+/g) ?? []).map(Number);
    const [month, day, year, hour, minute, second] = numbers as [number, number, number, number, number, number];
    return Date.UTC(year, month - 1, day, hour, minute, second) - ms;
  }
}

/** Largest distance of two offsets of one zone: a day, when a country moves over the date line, and the two hours of its clocks. */
export const OFFSET_STEP_MS_MAX: number = 26 * 3_600_000;

/** The names that this process knows, without their older synonyms. For hints at what was meant. */
export function zoneNames(): readonly string[] {
  return Intl.supportedValuesOf('timeZone');
}
